package db

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
)

// Agreed contents are kept by their SHA-256, once for each organization: a file of
// a JSON kind as it is, a skill as the list of its files, and each of those.

const (
	encodingRaw     = "raw"
	encodingDeflate = "deflate"

	// A statement's values are in memory three times until it is sent; the next ones are
	// being packed then.
	contentBatchRows  = 250
	contentBatchBytes = 1 << 20
)

// skillList is how a skill's content is kept.
type skillList []skillListFile

type skillListFile struct {
	Path       string `json:"path"`
	Executable bool   `json:"executable,omitempty"`
	Content    string `json:"content"` // id
}

func contentID(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// contentOf names a base's content; collect receives everything that it consists of.
func contentOf(k document.Kind, c *mirror.Content, collect func(id string, data []byte)) string {
	data := c.Bytes
	if k == document.Skills {
		list := make(skillList, len(c.Files))
		for i, f := range c.Files {
			id := contentID(f.Content)
			collect(id, f.Content)
			list[i] = skillListFile{f.Path, f.Executable, id}
		}
		data = []byte(encode(list))
	}
	id := contentID(data)
	collect(id, data)
	return id
}

// keepContents stores the contents of bases and returns their ids. A base whose
// content was not loaded keeps what is stored for its git id.
func (d *DB) keepContents(tx *gorm.DB, organizationID, identity string, bases []*mirror.Base) ([]string, error) {
	ids := make([]string, len(bases))
	contents := map[string][]byte{}
	var unloaded []*mirror.Base
	for i, b := range bases {
		if b.Content == nil {
			unloaded = append(unloaded, b)
			continue
		}
		ids[i] = contentOf(b.Kind, b.Content, func(id string, data []byte) { contents[id] = data })
	}
	known, err := d.contentIDs(tx, organizationID, identity, unloaded)
	if err != nil {
		return nil, err
	}
	for i, b := range bases {
		if b.Content == nil {
			ids[i] = known[b]
		}
	}
	return ids, d.insertContents(tx, organizationID, contents)
}

func (d *DB) insertContents(tx *gorm.DB, organizationID string, contents map[string][]byte) error {
	if len(contents) == 0 {
		return nil
	}
	all := set{}
	for id := range contents {
		all[id] = true
	}
	var stored []string
	err := where(tx.Model(&contentRow{}), d.inText("id", all.list())).Where("organization_id = ?", organizationID).Pluck("id", &stored).Error
	if err != nil {
		return err
	}
	for _, id := range stored {
		delete(all, id)
	}
	batches := batchesOf(all.list(), contents)
	statement := "INSERT INTO mirror_contents (organization_id, id, encoding, data)" +
		" SELECT ?, v.value ->> 0, v.value ->> 1, unhex(v.value ->> 2) FROM json_each(?) AS v WHERE true ON CONFLICT DO NOTHING"
	if d.postgres {
		statement = "INSERT INTO mirror_contents (organization_id, id, encoding, data)" +
			" SELECT ?, v.value ->> 0, v.value ->> 1, decode(v.value ->> 2, 'hex') FROM json_array_elements(CAST(? AS json)) AS v WHERE true ON CONFLICT DO NOTHING"
	}
	return parallel.Ahead(len(batches), func(i int) jsonColumn {
		rows := make([][3]string, len(batches[i]))
		for n, id := range batches[i] {
			encoding, data := pack(contents[id])
			rows[n] = [3]string{id, encoding, hex.EncodeToString(data)}
		}
		return encode(rows)
	}, func(rows jsonColumn) error {
		return tx.Exec(statement, organizationID, rows).Error // another transaction may have stored the same meanwhile
	})
}

// batchesOf cuts contents into what one statement stores.
func batchesOf(ids []string, contents map[string][]byte) (batches [][]string) {
	first, size := 0, 0
	for i, id := range ids {
		size += len(contents[id])
		if i == len(ids)-1 || i+1-first == contentBatchRows || size > contentBatchBytes {
			batches = append(batches, ids[first:i+1])
			first, size = i+1, 0
		}
	}
	return batches
}

// packers are kept: making one costs more than what it packs.
var packers = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	return w
}}

func pack(data []byte) (encoding string, packed []byte) {
	var out bytes.Buffer
	w := packers.Get().(*flate.Writer)
	defer packers.Put(w)
	w.Reset(&out)
	_, _ = w.Write(data) // a buffer takes everything
	_ = w.Close()
	if out.Len() < len(data) {
		return encodingDeflate, out.Bytes()
	}
	return encodingRaw, append([]byte{}, data...)
}

func (c *contentRow) unpack() ([]byte, error) {
	data := c.Data
	if c.Encoding == encodingDeflate {
		var err error
		if data, err = io.ReadAll(flate.NewReader(bytes.NewReader(c.Data))); err != nil {
			return nil, fmt.Errorf("content %s: %w", c.ID, err)
		}
	}
	if contentID(data) != c.ID {
		return nil, fmt.Errorf("content %s is damaged", c.ID)
	}
	return data, nil
}

// contentIDs finds the stored content of bases: that of the base or of an intent
// at its path with its git id.
func (d *DB) contentIDs(tx *gorm.DB, organizationID, identity string, bases []*mirror.Base) (map[*mirror.Base]string, error) {
	found := make(map[*mirror.Base]string, len(bases))
	if len(bases) == 0 {
		return found, nil
	}
	type version struct {
		mirror.Key
		gitID string
	}
	wanted := map[version][]*mirror.Base{}
	kinds, paths := set{}, set{} // the kinds, too: the index begins with them
	for _, b := range bases {
		v := version{b.Key, b.GitID}
		wanted[v] = append(wanted[v], b)
		kinds[string(b.Kind)], paths[b.Path] = true, true
	}
	for _, model := range []any{&baseRow{}, &intentRow{}} {
		var rows []struct{ Kind, Path, GitID, ContentID string }
		err := where(tx.Model(model), d.inText("path", paths.list()), d.inText("kind", kinds.list())).
			Where("organization_id = ? AND identity = ? AND content_id <> ''", organizationID, identity).
			Select("kind", "path", "git_id", "content_id").Scan(&rows).Error
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			for _, b := range wanted[version{mirror.Key{Kind: document.Kind(row.Kind), Path: row.Path}, row.GitID}] {
				found[b] = row.ContentID
			}
		}
	}
	return found, nil
}

// Contents fills Base.Content; it stays nil where none is stored.
func (d *DB) Contents(ctx context.Context, m *mirror.Mirror, bases []*mirror.Base) error {
	return d.snapshot(ctx, func(tx *gorm.DB) error {
		ids, err := d.contentIDs(tx, m.OrganizationID, identityKey(m.Identity), bases)
		if err != nil {
			return err
		}
		wanted := set{}
		for _, id := range ids {
			wanted[id] = true
		}
		contents, err := d.readContents(tx, m.OrganizationID, wanted)
		if err != nil {
			return err
		}
		lists := map[*mirror.Base]skillList{}
		files := set{}
		for _, b := range bases {
			data, ok := contents[ids[b]]
			if !ok {
				continue
			}
			if b.Kind != document.Skills {
				b.Content = &mirror.Content{Bytes: data}
				continue
			}
			var list skillList
			if err := json.Unmarshal(data, &list); err != nil {
				return fmt.Errorf("the list of a skill's files (%s): %w", ids[b], err)
			}
			lists[b] = list
			for _, f := range list {
				files[f.Content] = true
			}
		}
		if contents, err = d.readContents(tx, m.OrganizationID, files); err != nil {
			return err
		}
		for b, list := range lists {
			content := &mirror.Content{}
			for _, f := range list {
				data, ok := contents[f.Content]
				if !ok {
					return fmt.Errorf("the content %s of %s/%s is missing", f.Content, b.Path, f.Path)
				}
				content.Files = append(content.Files, document.File{Path: f.Path, Executable: f.Executable, Content: data})
			}
			b.Content = content
		}
		return nil
	})
}

func (d *DB) readContents(tx *gorm.DB, organizationID string, ids set) (map[string][]byte, error) {
	contents := make(map[string][]byte, len(ids))
	if len(ids) == 0 {
		return contents, nil
	}
	var rows []contentRow
	if err := where(tx, d.inText("id", ids.list())).Where("organization_id = ?", organizationID).Find(&rows).Error; err != nil {
		return nil, err
	}
	for i := range rows {
		data, err := rows[i].unpack()
		if err != nil {
			return nil, err
		}
		contents[rows[i].ID] = data
	}
	return contents, nil
}
