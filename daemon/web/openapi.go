package web

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// schemas.json holds what bodies look like: the components of the OpenAPI document
// that are written by hand.
//
//go:embed schemas.json
var componentsJSON []byte

// operation is what the OpenAPI document says of a route beside its path.
type operation struct {
	id, tag, summary, more string

	query    []string // names in components.parameters
	in       string   // schema of the body
	optional bool     // the body may be left out

	out      string // schema of the answer; "" is 204 without a body
	created  bool   // 201 when something was created
	accepted string // schema of a 202
	nothing  string // when there is a 204 beside out; "" for never
	media    string // of an answer that is no JSON
	stream   bool
	etag     bool
	guarded  bool // If-Match
	known    bool // If-None-Match
}

func (s *Server) getOpenAPI(c *call) error {
	c.w.Header().Set("Content-Type", "application/json; charset=utf-8")
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(s.api)
	return nil
}

type object = map[string]any

// describe makes the OpenAPI document of the routes.
func describe(version string) []byte {
	var components object
	if err := json.Unmarshal(componentsJSON, &components); err != nil {
		panic("schemas.json: " + err.Error())
	}
	paths := object{}
	add := func(r route, admin bool) {
		if r.doc.id == "" {
			return
		}
		path := strings.TrimSuffix(r.path, "{$}")
		item, _ := paths[path].(object)
		if item == nil {
			item = object{}
			if parameters := pathParameters(path); len(parameters) > 0 {
				item["parameters"] = parameters
			}
			paths[path] = item
		}
		item[strings.ToLower(r.method)] = r.doc.describe(admin)
	}
	for _, r := range routes {
		add(r, true)
	}
	for _, r := range openRoutes {
		add(r, false)
	}
	body, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "confmirror", "version": orUnknown(version),
			"description": "Mirrors an organization's configuration between a database and a branch of a Bitbucket repository.\n\n" +
				"Every answer that is no success has the form of Error. Lists come in pages: repeat the request with `cursor` = `next_cursor` until that is empty.",
		},
		"servers":    []object{{"url": "/"}},
		"security":   []object{{"adminToken": []string{}}},
		"paths":      paths,
		"components": components,
	}, "", "  ")
	if err != nil {
		panic(err) // nothing in it has no JSON form
	}
	return append(body, '\n')
}

func orUnknown(version string) string {
	if version == "" {
		return "unknown"
	}
	return version
}

// pathParameters declares the names in braces.
func pathParameters(path string) []object {
	var parameters []object
	for segment := range strings.SplitSeq(path, "/") {
		name, ok := strings.CutPrefix(segment, "{")
		if !ok {
			continue
		}
		name = strings.TrimSuffix(name, "}")
		schema := object{"type": "string"}
		if name == "kind" {
			schema["enum"] = document.Kinds
		}
		parameters = append(parameters, object{"name": name, "in": "path", "required": true, "schema": schema})
	}
	return parameters
}

func (o operation) describe(admin bool) object {
	d := object{"operationId": o.id, "tags": []string{o.tag}, "summary": o.summary, "responses": o.responses(admin)}
	if o.more != "" {
		d["description"] = o.more
	}
	if !admin {
		d["security"] = []object{}
	}
	var parameters []object
	for _, name := range o.query {
		parameters = append(parameters, reference("parameters", name))
	}
	if o.guarded {
		parameters = append(parameters, reference("parameters", "If-Match"))
	}
	if o.known {
		parameters = append(parameters, reference("parameters", "If-None-Match"))
	}
	if parameters != nil {
		d["parameters"] = parameters
	}
	if o.in != "" {
		d["requestBody"] = object{"required": !o.optional, "content": content("application/json", o.in)}
	}
	return d
}

func (o operation) responses(admin bool) object {
	responses := object{"default": object{"description": "Refused or failed", "content": content("application/json", "Error")}}
	if admin {
		responses[strconv.Itoa(http.StatusUnauthorized)] = object{"description": "Without the admin token", "content": content("application/json", "Error")}
	}
	success := object{"description": "Done"}
	status := http.StatusOK
	switch {
	case o.stream:
		success["content"] = object{"text/event-stream": object{"schema": object{"type": "string"}}}
	case o.media != "":
		success["content"] = object{o.media: object{"schema": object{"type": "string"}}}
	case o.out != "":
		success["content"] = content("application/json", o.out)
	default:
		status = http.StatusNoContent
	}
	if o.etag {
		success["headers"] = object{"ETag": object{"description": "For If-Match", "schema": object{"type": "string"}}}
	}
	if o.out == "Queued" { // done later
		status = http.StatusAccepted
	}
	responses[strconv.Itoa(status)] = success
	if o.created {
		responses[strconv.Itoa(http.StatusCreated)] = success
	}
	if o.nothing != "" {
		responses[strconv.Itoa(http.StatusNoContent)] = object{"description": o.nothing}
	}
	if o.known && o.in == "" {
		responses[strconv.Itoa(http.StatusNotModified)] = object{"description": "It is what If-None-Match names"}
	}
	if o.accepted != "" {
		responses[strconv.Itoa(http.StatusAccepted)] = object{"description": "Queued", "content": content("application/json", o.accepted)}
	}
	return responses
}

func content(media, schema string) object {
	return object{media: object{"schema": reference("schemas", schema)}}
}

func reference(section, name string) object {
	return object{"$ref": "#/components/" + section + "/" + name}
}
