// Package cluster asks a cluster's API server the few things that a board has to know: who it
// is, whether it knows a token, what became of a Node. It makes single requests, watches
// nothing and changes little; client-go, which does all of it, is 10 MB. It returns facts;
// the caller decides what they mean.
package cluster
