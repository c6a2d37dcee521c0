package configs

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// field is one struct field as the outside knows it.
type field struct {
	name  string // its key, without those above it
	value reflect.Value
}

// fields lists a struct's keys in their order.
func fields(v reflect.Value) []field {
	var list []field
	for i := range v.NumField() {
		if name := v.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			list = append(list, field{name: name, value: v.Field(i)})
		}
	}
	return list
}

// section reports whether t holds keys of its own.
func section(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[mirror.Secret]()
}

// leaf is one key that has a value.
type leaf struct {
	key   string // "mirrors[0].client_secret"
	value reflect.Value
	// file is the value of the key's "_file" twin; invalid without one, which is
	// to say: the key is no secret.
	file reflect.Value
}

// walk visits every leaf below v, entries of lists included.
func walk(v reflect.Value, key string, visit func(leaf)) {
	list := fields(v)
	twins := map[string]reflect.Value{}
	for _, f := range list {
		twins[f.name] = f.value
	}
	for _, f := range list {
		full := join(key, f.name)
		switch {
		case section(f.value.Type()):
			walk(f.value, full, visit)
		case f.value.Type() == reflect.TypeFor[[]*MirrorConfig]():
			for i := range f.value.Len() {
				walk(f.value.Index(i).Elem(), indexed(full, i), visit)
			}
		default:
			visit(leaf{key: full, value: f.value, file: twins[f.name+"_file"]})
		}
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func indexed(key string, i int) string { return fmt.Sprintf("%s[%d]", key, i) }

// secretType reports whether values of the type may not be shown.
func secretType(t reflect.Type) bool {
	return t == reflect.TypeFor[mirror.Secret]() || t == reflect.TypeFor[[]mirror.Secret]()
}

// setText gives a leaf that is not a list the value that text spells. The error
// says what was expected.
func setText(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *mirror.Secret:
		*p = mirror.NewSecret(text)
		return nil
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("expected a duration with its unit, such as 500ms or 2s")
		}
		*p = d
		return nil
	case *Size:
		size, err := ParseSize(text)
		if err != nil {
			return errors.New("expected a size, such as 1048576, 500KiB or 1MiB")
		}
		*p = size
		return nil
	case **string:
		*p = &text
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on", "1":
			v.SetBool(true)
		case "false", "no", "off", "0":
			v.SetBool(false)
		default:
			return errors.New("expected true or false")
		}
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil {
			return errors.New("expected a whole number")
		}
		v.SetInt(int64(n))
	default:
		panic("configs: a key of type " + v.Type().String()) // the table's tests set every key
	}
	return nil
}

// setList gives a list leaf its items, and any other leaf the only one.
func setList(v reflect.Value, items []string) error {
	list := reflect.MakeSlice(v.Type(), len(items), len(items))
	for i, item := range items {
		if err := setText(list.Index(i), item); err != nil {
			return err
		}
	}
	v.Set(list)
	return nil
}

// nearest is the candidate that s was probably meant to be, "" when none is close.
func nearest(s string, candidates []string) string {
	best, distance := "", min(len(s)/3, 4)+1
	for _, c := range candidates {
		if d := editDistance(s, c); d < distance {
			best, distance = c, d
		}
	}
	return best
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
