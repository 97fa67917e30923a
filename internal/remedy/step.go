package remedy

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/originward/originward"
)

// Action is one typed change of one machine.
type Action interface {
	// Plan looks at the machine and says what Apply would change there, with
	// all that Undo will need. It changes nothing.
	Plan(ctx context.Context, m *Machine) (Change, error)
	// Apply makes the change.
	Apply(ctx context.Context, m *Machine) error
	// Undo brings the state back that Plan saw: from the state after Apply, from
	// any state that an interrupted Apply leaves, and from that state itself.
	Undo(ctx context.Context, m *Machine, before json.RawMessage) error
}

// Change is what one action would do to a machine as it is now.
type Change struct {
	Show   []string        `json:"show"`             // commands and unified diffs, line by line
	Before json.RawMessage `json:"before,omitempty"` // what Undo needs
	None   bool            `json:"none,omitempty"`   // the machine is in the wanted state already
}

// Step is an action with what a person has to know before agreeing to it.
type Step struct {
	Kind  string `json:"kind"`
	Title string `json:"title"` // one line: what is done
	Risk  string `json:"risk,omitempty"`
	// Better is a cure to be preferred, which only a person can carry out: the
	// step is a trade-off.
	Better  string           `json:"better,omitempty"`
	Persist bool             `json:"persist,omitempty"` // it only makes the cure outlive a reboot
	On      originward.Where `json:"on"`
	Do      Action           `json:"do"`
	// Sim stands for the step in the copy of the network, where no ban tool and
	// no daemon runs; nil = the step itself, when it is one of the network.
	Sim []Step `json:"-"`
}

// UnmarshalJSON reads a step back with the type of its kind.
func (s *Step) UnmarshalJSON(b []byte) error {
	type plain Step
	aux := struct {
		*plain
		Do json.RawMessage `json:"do"`
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(b, &aux); err != nil {
		return err
	}
	make, ok := kinds[s.Kind]
	if !ok {
		return fmt.Errorf("step of an unknown kind %q: this journal is of another version", s.Kind)
	}
	s.Do = make()
	return json.Unmarshal(aux.Do, s.Do)
}

// Plan is what would be done about the causes of one diagnosis.
type Plan struct {
	ID     string               `json:"id,omitempty"`
	Host   string               `json:"host"`
	Causes []originward.CauseID `json:"causes"` // that the steps cure
	Steps  []Step               `json:"steps"`
	// Left are the causes that no step cures, each with the reason.
	Left []Left `json:"left,omitempty"`
	// Better are cures that are to be preferred and cannot be carried out here.
	Better []string `json:"better,omitempty"`
	// TradeOffs are cures that were left alone for what they cost, each with the
	// flag that asks for it.
	TradeOffs []string `json:"trade_offs,omitempty"`
	// Checks are the results of the simulation, one line each.
	Checks []string `json:"checks,omitempty"`
}

// Left is a cause that is not cured here.
type Left struct {
	Cause originward.CauseID `json:"cause"`
	Why   string             `json:"why"`
	How   []string           `json:"how,omitempty"` // what a person can do
}

// step makes a step of the host.
func step(kind, title string, do Action) Step {
	return Step{Kind: kind, Title: title, Do: do, On: originward.WhereHost}
}

// encode writes what Undo will need; its types are our own.
func encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data always encodes
	}
	return b
}
