package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// reviewSaid is what there is to say of a pull request.
type reviewSaid struct {
	status *mirror.Status // of the source, which is commit; nil: none
	commit mirror.Hash
	text   string // of the comment; "": none
	// worth: the text is worth a comment. Else only one that is there already has it.
	worth bool
}

// publish says what is new of it.
func (r *reviewRound) publish(ctx context.Context, review *db.Review, said reviewSaid) error {
	return errors.Join(r.setStatus(ctx, review, said), r.comment(ctx, review, said))
}

func (r *reviewRound) setStatus(ctx context.Context, review *db.Review, said reviewSaid) error {
	if said.status == nil {
		return nil
	}
	digest := digestOf(string(said.commit), string(said.status.State), said.status.Description, said.status.URL)
	if digest == review.Status {
		return nil
	}
	done, err := r.may(noStatuses, func() error { return r.remote.host.SetStatus(ctx, said.commit, *said.status) })
	if done {
		review.Status = digest
	}
	return err
}

// comment has one comment on the pull request, and keeps it up to date.
func (r *reviewRound) comment(ctx context.Context, review *db.Review, said reviewSaid) error {
	digest := digestOf(said.text)
	if said.text == "" || digest == review.Said || !said.worth && review.Comment == 0 {
		return nil
	}
	done, err := r.may(noComments, func() error {
		err := mirror.ErrGone
		if review.Comment != 0 {
			_, err = r.remote.host.UpdateComment(ctx, review.PullRequest, review.Comment, said.text)
		}
		if !errors.Is(err, mirror.ErrGone) {
			return err
		}
		review.Comment, review.Said = 0, "" // somebody deleted it
		if !said.worth {
			return nil
		}
		return r.newComment(ctx, review, said.text)
	})
	if done && review.Comment != 0 {
		review.Said = digest
	}
	return err
}

// newComment makes a comment, or takes up the one whose answer was lost. Somebody else's
// that looks like it cannot be changed, and keeps nobody from being told.
func (r *reviewRound) newComment(ctx context.Context, review *db.Review, text string) error {
	c, err := r.remote.host.FindComment(ctx, review.PullRequest, reviewMarker(r.mirror))
	if err != nil {
		return err
	}
	if c != nil {
		_, err := r.remote.host.UpdateComment(ctx, review.PullRequest, c.ID, text)
		if err == nil {
			review.Comment = c.ID
		}
		if _, scope := errors.AsType[*mirror.ScopeError](err); err == nil || scope || mirror.AsFault(err).Class == mirror.Transient {
			return err
		}
	}
	made, err := r.remote.host.CreateComment(ctx, review.PullRequest, text)
	review.Comment = made.ID
	return err
}

// digestOf names what was said. It is none of a secret.
func digestOf(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
