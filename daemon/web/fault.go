package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// failure is an error as the API tells it: {"error": {"code", "message", ...}}.
// Its words are for whoever sent the request; the cause is for the log.
type failure struct {
	status  int
	code    string
	message string
	// remedy says what to do, where the message does not.
	remedy string
	// fields says what is wrong with which field of a form.
	fields map[string]string
	// difference is what a refused take would undo.
	difference []db.ChangedPlace
	retry      time.Duration // 0: not said
	cause      error
}

func (f *failure) Error() string {
	if f.cause != nil {
		return f.code + ": " + f.message + " (" + f.cause.Error() + ")"
	}
	return f.code + ": " + f.message
}

func (f *failure) Unwrap() error { return f.cause }

// fail makes a failure without a cause.
func fail(status int, code, format string, args ...any) *failure {
	return &failure{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *failure {
	return fail(http.StatusBadRequest, "BAD_REQUEST", format, args...)
}

func notFound(what string) *failure {
	return fail(http.StatusNotFound, "NOT_FOUND", "There is no such %s.", what)
}

func tooLarge(limit int64) *failure {
	return fail(http.StatusRequestEntityTooLarge, "BODY_TOO_LARGE", "The request's body may have at most %d bytes.", limit)
}

// disconnected is what an organization without a connection cannot do.
func disconnected() *failure {
	return &failure{
		status: http.StatusConflict, code: "DISCONNECTED", message: "The organization is not connected to a repository.",
		remedy: "Connect it first, with PUT mirror/connection.",
	}
}

// asFailure finds the words for an error. What it does not know is our fault, and
// its text is not for strangers.
func asFailure(err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if p, ok := errors.AsType[*document.Problem](err); ok {
		return &failure{status: http.StatusBadRequest, code: string(p.Code), message: p.Message}
	}
	if e, ok := errors.AsType[*mirror.SettingsError](err); ok {
		return invalidFields(map[string]string{e.Key: e.Message})
	}
	if f, ok := errors.AsType[*mirror.Fault](err); ok {
		return &failure{status: faultStatus(f), code: f.Code, message: f.Message, remedy: f.Remedy, retry: f.RetryAfter, cause: f.Err}
	}
	if e, ok := errors.AsType[*db.PlacesChangedError](err); ok {
		return placesChanged(e)
	}
	for _, known := range knownErrors {
		if errors.Is(err, known.err) {
			f := known.failure
			return &f
		}
	}
	return &failure{
		status: http.StatusInternalServerError, code: mirror.CodeInternal, message: "An internal error stopped the request.",
		remedy: "See the daemon's log for the cause.", cause: err,
	}
}

var knownErrors = []struct {
	err     error
	failure failure
}{
	{db.ErrNotFound, *notFound("thing")},
	{mirror.ErrNoMirror, *disconnected()},
	{db.ErrSlugTaken, *fail(http.StatusConflict, "SLUG_TAKEN", "Another one has that slug already.")},
	{db.ErrPrecondition, *fail(http.StatusPreconditionFailed, "PRECONDITION_FAILED", "It was changed meanwhile: it is not what If-Match names. Read it again.")},
	{db.ErrNoHold, *fail(http.StatusNotFound, "NO_HOLD", "Nothing is held.")},
	{db.ErrHoldChanged, *fail(http.StatusConflict, "HOLD_CHANGED", "The list of what is held has changed. Read it again with GET mirror/hold, then decide.")},
	{db.ErrGone, failure{
		status: http.StatusGone, code: "GONE", message: "The entity is gone or private now, so there is nothing to give a side to.",
		remedy: "Restore it first, or take the side that has won to put the conflict away.",
	}},
	{db.ErrBadCursor, *badRequest("cursor: expected next_cursor of the page before, from the same list.")},
	{context.DeadlineExceeded, *fail(http.StatusGatewayTimeout, "TIMEOUT", "It took too long.")},
	{context.Canceled, *fail(http.StatusServiceUnavailable, "UNAVAILABLE", "The request was given up, or the daemon is stopping.")},
}

// faultStatus tells whose fault it is: the database's, the request's, or the far side's.
func faultStatus(f *mirror.Fault) int {
	switch f.Code {
	case mirror.CodeDatabaseFailed, mirror.CodeCloneFailed:
		return http.StatusServiceUnavailable
	case mirror.CodeAlreadyConnected, mirror.CodeDeletionsHeld:
		return http.StatusConflict
	case mirror.CodeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusBadGateway
}

// judge finds the words for an error, and logs those that somebody has to look at.
func (s *Server) judge(w http.ResponseWriter, r *http.Request, err error) *failure {
	f := asFailure(err)
	if f.status == http.StatusInternalServerError && r.Context().Err() != nil {
		f = asFailure(context.Canceled) // whatever it was, it is because the client or the daemon went
	}
	if f.status >= 500 && r.Context().Err() == nil {
		s.log.LogAttrs(r.Context(), slog.LevelError, "a request failed", slog.String("method", r.Method),
			slog.String("path", r.URL.Path), slog.Int("status", f.status), slog.String("code", f.code), slog.Any("error", f.cause))
	}
	if f.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.retry+time.Second-1)/time.Second)))
	}
	return f
}

// Explain tells what a page has to say of an error.
func (s *Server) Explain(w http.ResponseWriter, r *http.Request, err error) (status int, code, message, remedy string) {
	f := s.judge(w, r, err)
	return f.status, f.code, f.message, f.remedy
}

// refuse answers with an error.
func (s *Server) refuse(c *call, err error) {
	f := s.judge(c.w, c.Request, err)
	type body struct {
		Code       string            `json:"code"`
		Message    string            `json:"message"`
		Remedy     string            `json:"remedy,omitempty"`
		Fields     map[string]string `json:"fields,omitempty"`
		Difference []db.ChangedPlace `json:"difference,omitempty"`
	}
	_ = c.reply(f.status, map[string]body{"error": {f.code, f.message, f.remedy, f.fields, f.difference}})
}
