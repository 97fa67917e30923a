package edgeapi

import (
	"encoding/json"

	"github.com/originward/originward/internal/store"
)

// settingUniversal is the switch of certificates for visitors that the edge obtains
// itself; it has calls of its own.
const settingUniversal = "universal_ssl"

// universalIn turns Universal SSL on or off.
type universalIn struct {
	Enabled *bool `json:"enabled"`
}

func (a *API) universal(c *call) (*reply, error) {
	z, err := a.findZone(c.Request)
	if err != nil {
		return nil, err
	}
	return &reply{result: map[string]bool{"enabled": z.ACME}}, nil
}

func (a *API) changeUniversal(c *call) (*reply, error) {
	var in universalIn
	if err := c.read(&in); err != nil {
		return nil, err
	}
	if in.Enabled == nil {
		return nil, invalid(codeField, "/enabled", "enabled must be true or false")
	}
	if *in.Enabled && a.edge.Config().ACME == nil {
		return nil, invalid(codeField, "/enabled", "this edge has no ACME server to ask for certificates: acme in its configuration names one")
	}
	_, err := a.updateZone(c, nil, func(z *store.Zone) error {
		z.Settings[settingUniversal], _ = json.Marshal(onOff(*in.Enabled)) // a text always can be
		return nil
	})
	return &reply{result: map[string]bool{"enabled": *in.Enabled}}, err
}
