package lab

import (
	"encoding/json"
	"slices"

	"github.com/originward/originward"
)

// cutVantages removes every object that carries one of the vantages, at any
// depth of any JSON document.
func cutVantages(raw []byte, vs []originward.Vantage) ([]byte, error) {
	var doc any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	kept, _ := cut(doc, vs)
	return json.Marshal(kept)
}

func cut(v any, vs []originward.Vantage) (kept any, ok bool) {
	switch v := v.(type) {
	case map[string]any:
		if name, is := v["vantage"].(string); is && slices.Contains(vs, originward.Vantage(name)) {
			return nil, false
		}
		for k, e := range v {
			if e, ok := cut(e, vs); ok {
				v[k] = e
			} else {
				delete(v, k)
			}
		}
	case []any:
		out := []any{}
		for _, e := range v {
			if e, ok := cut(e, vs); ok {
				out = append(out, e)
			}
		}
		return out, true
	}
	return v, true
}
