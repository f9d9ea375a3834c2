// Package auth holds nothing of its own. Its sub-packages verify and fetch credentials with the
// help of other modules: jwt, oauth and password, each of which links only what it needs.
package auth
