// Package journal owns the durable record of a run ([Journal]): what was asked for, the plan,
// and how far it got. It holds no secret. Package bootstrap writes it and decides by it.
package journal
