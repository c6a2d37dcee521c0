package web

import (
	"bytes"
	"encoding/json"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// contract is the OpenAPI document as answers are checked against it.
var contract = sync.OnceValue(func() *jsonschema.Compiler {
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	compiler.AssertFormat()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(describe("test")))
	if err != nil {
		panic(err)
	}
	if err := compiler.AddResource("mem:openapi.json", doc); err != nil {
		panic(err)
	}
	return compiler
})

var contractDoc = sync.OnceValue(func() (doc map[string]any) {
	if err := json.Unmarshal(describe("test"), &doc); err != nil {
		panic(err)
	}
	return doc
})

var compiled sync.Map // schema by pointer

func schemaAt(t testing.TB, pointer string) *jsonschema.Schema {
	t.Helper()
	if schema, ok := compiled.Load(pointer); ok {
		return schema.(*jsonschema.Schema)
	}
	schema, err := contract().Compile("mem:openapi.json#" + pointer)
	if err != nil {
		t.Fatalf("%s: %v", pointer, err)
	}
	compiled.Store(pointer, schema)
	return schema
}

// templates are the paths of the document by the mux's patterns.
var templates = sync.OnceValue(func() map[string]string {
	found := map[string]string{}
	for _, r := range slices.Concat(routes, openRoutes) {
		for _, path := range r.expand() {
			found[r.method+" "+path] = strings.TrimSuffix(r.path, "{$}")
		}
	}
	return found
})

// describes checks an answer against what the document says of the route.
func (w *world) describes(r *http.Request, got *response) {
	w.t.Helper()
	empty := got.Status == http.StatusNoContent || got.Status == http.StatusNotModified
	if empty && len(got.Body) > 0 {
		w.t.Errorf("%s: a %d with a body", got.what, got.Status)
	}
	media, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type"))
	pointer := "/components/schemas/Error"
	if _, pattern := w.server.mux.Handler(r); pattern != "" {
		template := templates()[pattern]
		operation := contractDoc()["paths"].(map[string]any)[template].(map[string]any)[strings.ToLower(strings.Replace(r.Method, "HEAD", "GET", 1))].(map[string]any)
		responses := operation["responses"].(map[string]any)
		status := strconv.Itoa(got.Status)
		if responses[status] == nil {
			if got.Status < 400 {
				w.t.Fatalf("%s: status %d is not in the document", got.what, got.Status)
			}
			status = "default"
		}
		if empty {
			return
		}
		kinds := responses[status].(map[string]any)["content"].(map[string]any)
		if kinds[media] == nil {
			w.t.Fatalf("%s: media type %q is not in the document", got.what, media)
		}
		pointer = "/paths/" + strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(template) + "/" + strings.ToLower(r.Method) +
			"/responses/" + status + "/content/" + strings.ReplaceAll(media, "/", "~1") + "/schema"
	}
	if media != "application/json" || r.Method == http.MethodHead {
		return
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(got.Body))
	if err != nil {
		w.t.Fatalf("%s: %v: %s", got.what, err, got.Body)
	}
	if err := schemaAt(w.t, pointer).Validate(value); err != nil {
		w.t.Errorf("%s: the answer is not what the document says: %v\n%s", got.what, err, got.Body)
	}
}

func TestOpenAPIIsWhole(t *testing.T) {
	// Every reference leads somewhere, every schema is one.
	var walk func(value any)
	walk = func(value any) {
		switch value := value.(type) {
		case map[string]any:
			if ref, ok := value["$ref"].(string); ok {
				at := any(contractDoc())
				for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
					o, _ := at.(map[string]any)
					at = o[step]
				}
				if at == nil {
					t.Errorf("%s leads nowhere", ref)
				}
			}
			for _, v := range value {
				walk(v)
			}
		case []any:
			for _, v := range value {
				walk(v)
			}
		}
	}
	walk(contractDoc())
	for name := range contractDoc()["components"].(map[string]any)["schemas"].(map[string]any) {
		schemaAt(t, "/components/schemas/"+name)
	}
	ids := map[string]bool{}
	for path, item := range contractDoc()["paths"].(map[string]any) {
		for method, operation := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			o := operation.(map[string]any)
			if id := o["operationId"].(string); id == "" || ids[id] {
				t.Errorf("%s %s: operationId %q", method, path, id)
			} else {
				ids[id] = true
			}
			if o["summary"] == "" {
				t.Errorf("%s %s has no summary", method, path)
			}
		}
	}
}

// The document and the mux have the same routes: whatever one of them has, the other
// answers with something but "nothing at this path".
func TestOpenAPIHasEveryRoute(t *testing.T) {
	w := embedded(t, nil)
	served := map[string]bool{}
	for path, item := range contractDoc()["paths"].(map[string]any) {
		for method := range item.(map[string]any) {
			if method == "parameters" {
				continue
			}
			concrete := strings.NewReplacer("{org}", "acme", "{organization}", "acme", "{kind}", "skills", "{slug}", "x", "{id}", "1").Replace(path)
			r, _ := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), concrete, nil)
			_, pattern := w.server.mux.Handler(r)
			if templates()[pattern] != path {
				t.Errorf("%s %s is answered by %q", method, path, pattern)
			}
			served[strings.ToUpper(method)+" "+path] = true
		}
	}
	for pattern, path := range templates() {
		method, _, _ := strings.Cut(pattern, " ")
		if !served[method+" "+path] {
			t.Errorf("%s is not in the document", pattern)
		}
	}
}

// What the outside relies on, by name.
func TestRoutesThatWerePromised(t *testing.T) {
	promised := strings.Fields(`
		POST:/api/bitbucket/webhook POST:/api/bitbucket/webhook/{organization} GET:/healthz GET:/readyz GET:/metrics GET:/
		GET:/api/v1/organizations PUT:/api/v1/organizations/{org} GET:/api/v1/events GET:/api/v1/openapi.json`)
	for _, below := range strings.Fields(`GET:mirror PUT:mirror/connection DELETE:mirror/connection POST:mirror/connection/test
		POST:mirror/sync GET:mirror/plan GET:mirror/runs GET:mirror/hold POST:mirror/approve POST:mirror/discard POST:mirror/propose
		POST:mirror/pause POST:mirror/resume GET:{kind} GET:{kind}/{slug} PUT:{kind}/{slug} DELETE:{kind}/{slug}
		POST:{kind}/{slug}/restore POST:{kind}/{slug}/sync GET:conflicts POST:conflicts/{id}/resolve`) {
		method, path, _ := strings.Cut(below, ":")
		promised = append(promised, method+":/api/v1/organizations/{org}/"+path)
	}
	for _, p := range promised {
		method, path, _ := strings.Cut(p, ":")
		item, _ := contractDoc()["paths"].(map[string]any)[path].(map[string]any)
		if item[strings.ToLower(method)] == nil {
			t.Errorf("%s %s is missing", method, path)
		}
	}
}

func TestOpenAPIIsServed(t *testing.T) {
	w := embedded(t, nil)
	got := w.do("GET", "/api/v1/openapi.json", nil).is(http.StatusOK)
	if got.at("openapi") != "3.1.0" || got.at("info", "version") != "1.2.3" {
		t.Errorf("%.200s", got.Body)
	}
	w.do("GET", "/api/v1/openapi.json", nil, anonymous).fails(http.StatusUnauthorized, "UNAUTHORIZED")
}
