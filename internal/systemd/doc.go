// Package systemd holds what the program's unit files have in common: how a value
// is written so that systemd reads it back unchanged, and which programs may stand
// in a unit that root runs.
//
// The rules are those of systemd.syntax(7) ("Quoting"), systemd.unit(5)
// ("Specifiers" and "String Escaping for Inclusion in Unit Names") and
// systemd.service(5) ("Command Lines"). Package systemd talks to no service
// manager; systemctl(1) is run by those who change units.
package systemd
