package bitbucket

import (
	"encoding/json"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// APIError is a refusal of REST 2.0
// (https://developer.atlassian.com/cloud/bitbucket/rest/intro/#standardized-error-responses)
// or of Data Center. Detail is documented as text but comes as an object too, and Fields
// as an object or an array: they are kept raw.
type APIError struct {
	Status  int
	Message string // one printable line; "" when there is none
	Detail  json.RawMessage
	Fields  json.RawMessage
	Data    json.RawMessage
	// Exception is the class that Data Center names, without its package.
	Exception string

	scope      string          // that the request needs
	hidden     []mirror.Secret // that the texts may echo
	retryAfter time.Duration
	location   string // of a redirect that was not followed
}

func (e *APIError) Error() string {
	if e.Message == "" {
		return statusText(e.Status)
	}
	return statusText(e.Status) + ": " + e.Message
}

// decodeError reads a refusal: JSON, or text/plain as with 429. A page in HTML says nothing.
func decodeError(answer *http.Response, body []byte, now time.Time, hidden ...mirror.Secret) *APIError {
	e := &APIError{
		Status: answer.StatusCode, hidden: hidden,
		retryAfter: retryAfter(answer.Header.Get("Retry-After"), now),
	}
	if u, err := answer.Location(); err == nil {
		e.location = u.Scheme + "://" + u.Host
	}
	var b struct {
		Errors []struct { // Data Center's: the first says why, others what else is wrong
			Context       string          `json:"context"`
			Message       string          `json:"message"`
			ExceptionName string          `json:"exceptionName"`
			Existing      json.RawMessage `json:"existingPullRequest"`
		} `json:"errors"`
		Error struct {
			Message string          `json:"message"`
			Detail  json.RawMessage `json:"detail"`
			Fields  json.RawMessage `json:"fields"`
			Data    json.RawMessage `json:"data"`
		} `json:"error"`
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case json.Unmarshal(body, &b) == nil && len(b.Errors) > 0:
		first := b.Errors[0]
		e.Data, e.Exception = first.Existing, first.ExceptionName[strings.LastIndex(first.ExceptionName, ".")+1:]
		var said []string
		for _, one := range b.Errors {
			text := one.Message
			if one.Context != "" { // the field that is meant
				text = one.Context + ": " + text
			}
			said = append(said, text)
		}
		e.Message = strings.Join(said, "; ")
	case json.Unmarshal(body, &b) == nil:
		e.Message, e.Detail, e.Fields, e.Data = b.Error.Message, b.Error.Detail, b.Error.Fields, b.Error.Data
	case media == "text/plain":
		e.Message = string(body)
	}
	e.Message = e.clean(e.Message)
	return e
}

// clean makes a text of the answer fit to show.
func (e *APIError) clean(text string) string {
	secrets := make([]string, len(e.hidden))
	for i, s := range e.hidden {
		secrets[i] = s.Reveal()
	}
	return cleanText(text, secrets...)
}

// unauthorised: Data Center's 401 for who is known, and may not.
func (e *APIError) unauthorised() bool { return e.Exception == "AuthorisationException" }

// scopes are those that detail names.
func (e *APIError) scopes() *mirror.ScopeError {
	var d struct{ Required, Granted []string }
	_ = json.Unmarshal(e.Detail, &d) // a text, or nothing: no scopes
	clean := func(names []string) []string {
		for i := range names {
			names[i] = e.clean(names[i])
		}
		return names
	}
	if len(d.Required) == 0 && e.scope != "" {
		d.Required = []string{e.scope}
	}
	return &mirror.ScopeError{Required: clean(d.Required), Granted: clean(d.Granted)}
}

// field reports whether the refusal is about a field of what was sent.
func (e *APIError) field(name string) bool {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(e.Fields, &fields) // an array: no names
	return fields[name] != nil
}

// fieldTexts are what the refusal says of a field; none if it says it in another form.
func (e *APIError) fieldTexts(name string) []string {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(e.Fields, &fields)
	var texts []string
	_ = json.Unmarshal(fields[name], &texts)
	return texts
}

// words are all that the refusal says: the message, and what it says of fields.
func (e *APIError) words() string {
	const deepest = 3 // {"reviewers": ["..."]}
	var said []string
	var collect func(raw json.RawMessage, depth int)
	collect = func(raw json.RawMessage, depth int) {
		var text string
		var array []json.RawMessage
		var object map[string]json.RawMessage
		switch {
		case depth > deepest:
		case json.Unmarshal(raw, &text) == nil && text != "":
			said = append(said, text)
		case json.Unmarshal(raw, &array) == nil:
			for _, v := range array {
				collect(v, depth+1)
			}
		case json.Unmarshal(raw, &object) == nil:
			for _, name := range slices.Sorted(maps.Keys(object)) {
				collect(object[name], depth+1)
			}
		}
	}
	if e.Message != "" {
		said = append(said, e.Message)
	}
	collect(e.Fields, 1)
	return e.clean(strings.Join(said, ": "))
}

// announcement is the page that a 410 points to.
func (e *APIError) announcement() string {
	var d struct {
		URL string `json:"announcement_url"`
	}
	_ = json.Unmarshal(e.Data, &d)
	if !strings.HasPrefix(d.URL, "https://") {
		return ""
	}
	return e.clean(d.URL)
}

// says reports whether the message contains a text, without case: Atlassian
// changes the case of its texts now and then.
func (e *APIError) says(text string) bool {
	return strings.Contains(strings.ToLower(e.Message), strings.ToLower(text))
}
