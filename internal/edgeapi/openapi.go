package edgeapi

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// openAPI describes what is served, made from the list of routes.
func (a *API) openAPI(*call) (*reply, error) {
	paths := map[string]map[string]any{}
	for _, r := range a.routes() {
		if paths[Prefix+r.path] == nil {
			paths[Prefix+r.path] = map[string]any{}
		}
		paths[Prefix+r.path][strings.ToLower(r.method)] = operation(r)
	}
	doc := map[string]any{
		"openapi": "3.1.0",
		"info": map[string]any{
			"title": "Originward control API", "version": "4",
			"description": "Speaks Cloudflare's API v4 for what this edge has.",
		},
		"paths": paths,
		"components": map[string]any{
			"securitySchemes": map[string]any{"token": map[string]any{"type": "http", "scheme": "bearer"}},
			"schemas":         map[string]any{"envelope": schema(reflect.TypeFor[envelope]())},
		},
		"security": []any{map[string]any{"token": []any{}}},
	}
	b, err := json.MarshalIndent(doc, "", " ")
	return &reply{raw: b, kind: jsonType}, err
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

func operation(r route) map[string]any {
	params := []any{}
	for _, m := range pathParam.FindAllStringSubmatch(r.path, -1) {
		params = append(params, map[string]any{"name": m[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
	}
	answer := func(text string) map[string]any {
		return map[string]any{"description": text, "content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"$ref": "#/components/schemas/envelope"}}}}
	}
	op := map[string]any{
		"summary": r.about, "parameters": params,
		"responses": map[string]any{"200": answer("success"), "default": answer("the errors say what is wrong")},
	}
	if r.need.group != "" {
		op["description"] = "Needs the permission " + r.need.String() + "."
	}
	if r.in != nil && r.method != http.MethodGet {
		op["requestBody"] = map[string]any{"required": true, "content": map[string]any{"application/json": map[string]any{"schema": schema(reflect.TypeOf(r.in))}}}
	}
	return op
}

// schema is the JSON schema of a type.
func schema(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[json.RawMessage]():
		return map[string]any{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schema(t.Elem())
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": schema(t.Elem())}
	case reflect.Struct:
		props, required := map[string]any{}, []string{}
		for i := range t.NumField() {
			name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			props[name] = schema(t.Field(i).Type)
			if options == "" {
				required = append(required, name)
			}
		}
		return map[string]any{"type": "object", "properties": props, "required": required}
	}
	return map[string]any{} // anything
}
