package bitbuckettest

import (
	"encoding/json"
	"net/http"
)

// object is a JSON object.
type object = map[string]any

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// restError is REST 2.0's error body.
func restError(w http.ResponseWriter, status int, message string, more object) {
	e := object{"message": message}
	for k, v := range more {
		e[k] = v
	}
	writeJSON(w, status, object{"type": "error", "error": e})
}

// optional tells a key that is not there from one that is null.
type optional[T any] struct {
	set   bool
	value T
}

func (o *optional[T]) UnmarshalJSON(b []byte) error {
	o.set = true
	return json.Unmarshal(b, &o.value)
}
