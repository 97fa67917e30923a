package edge

import (
	"reflect"

	"github.com/originward/originward/internal/config"
	"github.com/originward/originward/internal/edge/events"
	"github.com/originward/originward/internal/edge/geo"
)

// surroundings are what rules of all zones look at.
type surroundings struct {
	geo      *geo.DB // nil = none
	geoStamp string
	same     bool          // lists, places and rules for all zones are those of the state before
	access   events.Policy // of the access log
}

// surround reads them; what has not changed is the old state's.
func (st *state) surround(cfg *config.Config, old *state) error {
	st.access = policyOf(cfg.Access)
	if cfg.Geo != (config.Geo{}) {
		st.geoStamp = stamp([]string{cfg.Geo.Country, cfg.Geo.ASN})
	}
	if old != nil && old.cfg.Geo == cfg.Geo && old.geoStamp == st.geoStamp {
		st.geo = old.geo
	} else if st.geoStamp != "" {
		db, err := geo.Open(cfg.Geo.Country, cfg.Geo.ASN)
		if err != nil {
			return err
		}
		st.geo = db
	}
	st.same = old != nil && reflect.DeepEqual(old.cfg.Lists, cfg.Lists) && old.cfg.Geo == cfg.Geo &&
		reflect.DeepEqual(old.cfg.CustomErrors, cfg.CustomErrors)
	return nil
}
