package db

import (
	"slices"
	"strings"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror/parallel"
)

// A recordset is many rows as one parameter of a statement, a JSON array of objects: the
// statement has one text and one plan however many rows it writes, and neither we nor the
// database handles thousands of parameters.

// setColumn is a column of a recordset; kind is its type in PostgreSQL.
type setColumn struct{ name, kind string }

// insertion is an INSERT of a recordset into a table of the engine.
type insertion struct {
	table   string
	common  []setColumn // one value for all rows
	columns []setColumn
	// end says what becomes of rows that are there already, and what is returned.
	end string
}

// statement takes the common values and the rows as parameters.
func (n insertion) statement(postgres bool) string {
	var names, values, declared []string
	for _, c := range n.common {
		names = append(names, c.name)
		if postgres {
			values = append(values, "CAST(? AS "+c.kind+")")
		} else {
			values = append(values, "?")
		}
	}
	for _, c := range n.columns {
		names = append(names, c.name)
		declared = append(declared, c.name+" "+c.kind)
		switch {
		case postgres:
			values = append(values, "v."+c.name)
		case c.kind == "jsonb":
			values = append(values, "v.value -> '$."+c.name+"'")
		default:
			values = append(values, "v.value ->> '$."+c.name+"'")
		}
	}
	from := "json_each(?) AS v"
	if postgres {
		from = "jsonb_to_recordset(CAST(? AS jsonb)) AS v (" + strings.Join(declared, ", ") + ")"
	}
	// SQLite takes ON CONFLICT for a condition of a join unless something stands between.
	return "INSERT INTO " + n.table + " (" + strings.Join(names, ", ") + ") SELECT " + strings.Join(values, ", ") +
		" FROM " + from + " WHERE true " + n.end
}

// insertSet writes rows, whose JSON has the columns' names as keys, and returns what the
// statement says of them, in any order.
func insertSet[R, T any](d *DB, tx *gorm.DB, n insertion, rows []T, common ...any) ([]R, error) {
	statement := n.statement(d.postgres)
	var returned []R
	batches := slices.Collect(slices.Chunk(rows, engineBatch))
	err := parallel.Ahead(len(batches), func(i int) jsonColumn { return encode(batches[i]) }, func(batch jsonColumn) error {
		var some []R
		if err := tx.Raw(statement, append(common[:len(common):len(common)], batch)...).Scan(&some).Error; err != nil {
			return err
		}
		returned = append(returned, some...)
		return nil
	})
	return returned, err
}
