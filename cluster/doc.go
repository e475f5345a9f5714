// Package cluster asks a cluster's API server the few things that a board has to know: who it
// is, whether it knows a token, what became of a Node. It makes single requests, watches
// nothing and changes little; client-go, which does all of it, is 10 MB. Answers are facts:
// what they mean is for others to say.
package cluster
