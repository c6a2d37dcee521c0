package document

import (
	"bytes"
	"encoding/json"
)

// JSONSchema describes a kind's files in JSON Schema (2020-12), for editors and linters; for
// skills it is the frontmatter of SKILL.md. It is written from the tables that the checks
// walk, so that it refuses nothing that they accept.
//
// It cannot say all of them: that the slug equals the file's name, that arguments have
// different names, which text is a URL to the last character, what numbers and nesting can
// be stored.
func JSONSchema(k Kind) []byte {
	var description object
	if k == Skills {
		description = heading(k, "The frontmatter of a skill's SKILL.md, between two lines of ---.").with(frontmatterKeys.described(k, nil)...)
	} else {
		description = heading(k, "The file of one "+k.Singular()+". Keys that are not named here are kept as they are.").
			with(schemaOf(k).described(k, forbidden)...).
			with(member{"$defs", object{{"none", none}}})
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(description) // of texts, numbers and lists of them
	return out.Bytes()
}

func heading(k Kind, about string) object {
	return object{
		{"$schema", "https://json-schema.org/draft/2020-12/schema"},
		{"$id", "urn:confmirror:schema:" + string(k)},
		{"title", "confmirror " + k.Singular()},
		{"description", about},
	}
}

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

func (o object) with(more ...member) object { return append(o[:len(o):len(o)], more...) }

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			out = append(out, ',')
		}
		value, err := json.Marshal(m.value)
		if err != nil {
			return nil, err
		}
		out = append(append(appendString(out, m.name), ':'), value...)
	}
	return append(out, '}'), nil
}

// none is what a key at the top may hold as if it were not there.
var none = object{
	{"description", "As if the key were not there."},
	{"enum", []any{nil, "", []any{}, object{}}},
}

var noneRef = object{{"$ref", "#/$defs/none"}}

// described is the schema of a whole file: of a kind, without what never stands in one.
func (s *schema) described(k Kind, never map[string]bool) object {
	var properties object
	for _, key := range s.keys {
		said := key.schema.says()
		switch {
		case key.name == "slug" || k == Skills && key.name == "name":
			// It equals the name of the file or directory, which has to be a slug.
			said = (&schema{shape: text, rule: slugOf(k)}).says()
		case key.required || key.schema.shape == anything:
		case saysNone(k, key.name):
			said = object{{"anyOf", []any{said, object{{"enum", []any{nil, ""}}}}}}
		default:
			said = object{{"anyOf", []any{said, noneRef}}}
		}
		properties = append(properties, member{key.name, key.annotated(said)})
	}
	for _, name := range sortedKeys(never) {
		properties = append(properties, member{name, false})
	}
	return object{{"type", "object"}}.with(s.required()...).with(member{"properties", properties}).with(s.fork.says()...)
}

// annotated is what a key's value obeys, with what is told of the key.
func (k *key) annotated(said object) object {
	about := object{{"description", k.about}}
	if k.absent != nil {
		about = append(about, member{"default", k.absent})
	}
	return about.with(said...)
}

func (s *schema) required() object {
	var names []string
	for _, k := range s.keys {
		if k.required {
			names = append(names, k.name)
		}
	}
	if names == nil {
		return nil
	}
	return object{{"required", names}}
}

// says is what a value of the schema obeys, which check finds out.
func (s *schema) says() object {
	types, said := s.typed()
	return typedObject(types, said)
}

func typedObject(types []string, said object) object {
	switch len(types) {
	case 0:
		return said
	case 1:
		return object{{"type", types[0]}}.with(said...)
	}
	return object{{"type", types}}.with(said...)
}

// typed are the JSON types of a value, and what else it obeys: keywords that say nothing of
// the other types.
func (s *schema) typed() (types []string, said object) {
	switch s.shape {
	case text:
		if s.filled {
			said = append(said, member{"minLength", 1})
		}
		if s.max > 0 {
			said = append(said, member{"maxLength", s.max})
		}
		return []string{"string"}, said.with(s.ruleSays()...)
	case boolean:
		return []string{"boolean"}, nil
	case list:
		said = object{{"items", s.each.says()}}
		if s.star {
			return []string{"array", "string"}, said.with(member{"pattern", `^\*$`})
		}
		return []string{"array"}, said
	case record:
		said = s.required().with(member{"properties", s.properties()})
		if s.entry {
			return []string{"string", "object"}, said.with(secretHasNoValue...)
		}
		return []string{"object"}, said
	case table:
		if s.rule != nil {
			said = object{{"propertyNames", s.rule.says}}
		}
		return []string{"object"}, said.with(member{"additionalProperties", s.each.says()})
	}
	return nil, nil
}

// ruleSays is what a text's rule says, and which other words the text may have.
func (s *schema) ruleSays() object {
	switch {
	case s.rule == nil:
		return nil
	case s.alias == nil:
		return s.rule.says
	}
	return object{{"anyOf", []any{s.rule.says, object{{"enum", sortedKeys(s.alias)}}}}}
}

// properties are the keys of a record within a file.
func (s *schema) properties() (properties object) {
	for _, k := range s.keys {
		types, said := k.schema.typed()
		if !k.required && !k.stated {
			types = append(types, "null")
		}
		properties = append(properties, member{k.name, k.annotated(typedObject(types, said))})
	}
	return properties
}

// secretHasNoValue holds an entry to what [Redact] leaves of a secret.
var secretHasNoValue = object{
	{"if", object{{"required", []string{"secret"}}, {"properties", object{{"secret", object{{"const", true}}}}}}},
	{"then", object{{"properties", object{{"value", object{{"type", "null"}}}}}}},
}

func (f *fork) says() object {
	if f == nil {
		return nil
	}
	side := func(needs, excludes string) object {
		return object{
			{"required", []string{needs}},
			{"properties", object{{needs, object{{"type", "string"}, {"minLength", 1}}}, {excludes, noneRef}}},
		}
	}
	return object{
		{"if", object{{"properties", object{{f.key, object{{"const", f.value}}}}}}},
		{"then", side(f.then, f.otherwise)},
		{"else", side(f.otherwise, f.then)},
	}
}
