package mirror

import (
	"time"

	"github.com/confmirror/confmirror/mirror/document"
)

// GitIntegration is what the column git_integration holds.
type GitIntegration struct {
	Path     string     `json:"path,omitempty"`
	GitID    string     `json:"oid,omitempty"`
	Commit   Hash       `json:"commit,omitempty"`
	SyncedAt *time.Time `json:"synced_at,omitempty"`
	// Pending is PendingRemoval while the branch still has a row's file that became private.
	Pending string       `json:"pending,omitempty"`
	Error   *EntityError `json:"error,omitempty"`
}

// PendingRemoval: the row is private and its file is still on the branch.
const PendingRemoval = "removal"

// EntityError is a document.Problem as it is recorded.
type EntityError struct {
	Code       document.Code `json:"code"`
	HTTPCode   int           `json:"http_code"`
	Message    string        `json:"message"`
	Path       string        `json:"path,omitempty"`
	Commit     Hash          `json:"commit,omitempty"`
	DetectedAt time.Time     `json:"detected_at"`
}

// status is the row's new git_integration; nil when it stays as it is.
func (a *apply) status(d *Decision, e *export) *RowStatus {
	if d.Row == nil || (d.Row.Deleted && d.Effect != Converge) {
		return nil
	}
	next := d.Row.Integration
	switch d.Effect {
	case Nothing, Part, Hold:
		if d.Base == nil && d.Row.Private {
			return nil
		}
		// A run that died before its settle did not get to say what it had synced.
		if f := d.file(); d.Effect == Nothing && d.Base != nil && f.Exists() && (next.Path != f.Path || next.GitID != f.GitID) {
			next = a.synced(f.Path, f.GitID, a.head, nil)
		}
		next.Error, next.Pending = a.keepError(d), ""
	case Refuse:
		next.Error = a.keepError(d)
		if next.Path == "" {
			next.Path = d.bad().Path
		}
	case RemoveFile, Forget:
		next = GitIntegration{}
		if e == nil && d.toFile {
			next = d.Row.Integration
			next.Pending = PendingRemoval
		}
	case Converge:
		if d.toRow && e == nil {
			return nil // written with the import
		}
		path, gitID := d.file().Path, d.file().GitID
		if e != nil {
			path, gitID = e.base.Path, e.base.GitID
		}
		next = a.synced(path, gitID, a.head, nil)
		next.Error = a.keepError(d)
	}
	if next.same(d.Row.Integration) {
		return nil
	}
	return &RowStatus{Kind: d.Kind, RowID: d.Row.ID, Integration: next}
}

// keepError is the decision's problem as it is recorded; one that was recorded
// before keeps its date.
func (a *apply) keepError(d *Decision) *EntityError {
	if d.Problem == nil {
		return nil
	}
	path := d.bad().Path
	if d.RowProblem && document.ValidSlug(d.Kind, d.Row.Slug) { // of the row itself: where it belongs, whatever its file is called
		path = a.layout.Path(d.Kind, d.Row.Slug)
	}
	e := a.entityError(d.Problem, path)
	if was := d.Row.Integration.Error; was != nil && was.Code == e.Code && was.Message == e.Message && was.Path == e.Path {
		return was
	}
	return &e
}

func (a *apply) entityError(p *document.Problem, path string) EntityError {
	if p.File != "" {
		path += "/" + p.File
	}
	return EntityError{Code: p.Code, HTTPCode: p.Code.HTTPCode(), Message: p.Message, Path: path, Commit: a.view.head, DetectedAt: a.Now().UTC()}
}

func (a *apply) synced(path, gitID string, commit Hash, p *document.Problem) GitIntegration {
	now := a.Now().UTC()
	g := GitIntegration{Path: path, GitID: gitID, Commit: commit, SyncedAt: &now}
	if p != nil {
		e := a.entityError(p, path)
		g.Error = &e
	}
	return g
}

// same compares what is recorded, dates apart.
func (g GitIntegration) same(other GitIntegration) bool {
	if g.Path != other.Path || g.Pending != other.Pending || g.GitID != other.GitID || g.Commit != other.Commit || (g.Error == nil) != (other.Error == nil) {
		return false
	}
	return g.Error == nil || (g.Error.Code == other.Error.Code && g.Error.Message == other.Error.Message && g.Error.Path == other.Error.Path)
}
