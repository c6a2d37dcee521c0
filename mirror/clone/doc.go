// Package clone is the working-tree clone of one mirror: it implements
// mirror.Clone over git's own formats and protocols, without a git program.
package clone
