// Package templates holds the pages: templ components, their view models and
// the messages in each language. It knows no server, no store and no driver:
// handlers fill a view model and render a component.
//
// What it promises: every text that a reader sees is in the reader's language
// or marked as being in another; no page needs JavaScript to work; no inline
// script or style, so a strict content security policy holds.
package templates
