package bitbucket

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"
)

// APIError is a refusal of REST 2.0
// (https://developer.atlassian.com/cloud/bitbucket/rest/intro/#standardized-error-responses).
// Detail is documented as text but comes as an object too, and Fields as an
// object or an array: they are kept raw.
type APIError struct {
	Status  int
	Message string // one printable line; "" when there is none
	Detail  json.RawMessage
	Fields  json.RawMessage
	Data    json.RawMessage

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
func decodeError(answer *http.Response, body []byte, now time.Time, token string) *APIError {
	e := &APIError{
		Status:     answer.StatusCode,
		retryAfter: retryAfter(answer.Header.Get("Retry-After"), now),
	}
	if u, err := answer.Location(); err == nil {
		e.location = u.Scheme + "://" + u.Host
	}
	var b struct {
		Error struct {
			Message string          `json:"message"`
			Detail  json.RawMessage `json:"detail"`
			Fields  json.RawMessage `json:"fields"`
			Data    json.RawMessage `json:"data"`
		} `json:"error"`
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case json.Unmarshal(body, &b) == nil:
		e.Message, e.Detail, e.Fields, e.Data = b.Error.Message, b.Error.Detail, b.Error.Fields, b.Error.Data
	case media == "text/plain":
		e.Message = string(body)
	}
	e.Message = cleanText(e.Message, token)
	return e
}

// requiredScopes are the scopes that detail names.
func (e *APIError) requiredScopes() []string {
	var d struct {
		Required []string `json:"required"`
	}
	_ = json.Unmarshal(e.Detail, &d) // a text, or nothing: no scopes
	return d.Required
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
	return cleanText(d.URL)
}

// says reports whether the message contains a text, without case: Atlassian
// changes the case of its texts now and then.
func (e *APIError) says(text string) bool {
	return strings.Contains(strings.ToLower(e.Message), strings.ToLower(text))
}
