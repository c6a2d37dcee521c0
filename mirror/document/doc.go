// Package document knows the five kinds of configuration and how each is
// written as files: what a valid document is, how it is encoded, compared,
// edited in place and merged, and what must never leave the database.
//
// A [Document] is the file form: exactly what the repository may hold. The
// database also holds secret values; its form of a document is the stored form.
// [Redact] turns stored form into file form, [Absorb] goes the other way and
// keeps the secrets that a file cannot carry. Nothing else crosses that line.
//
// What a kind's files may hold stands in one table for each kind, which reading, writing,
// checking and merging walk, and from which [JSONSchema] is written for editors.
//
// The package is pure: no I/O, no clock, no logging. A fault in somebody's file
// is a [Problem], a value that is recorded on the entity, not an error.
package document
