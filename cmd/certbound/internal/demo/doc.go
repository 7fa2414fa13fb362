// Package demo tells the story certbound exists for against a running dev: a
// token that is good in the hands of the client it was issued to, and worthless
// in all others. Each step is a real request; for each refused one the demo API's
// own counter shows that it was not reached.
package demo
