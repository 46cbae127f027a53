# A list of rules as data. The caller needs the authority of a rule that covers the path: by a prefix, or by segments,
# of which "*" matches any one. `glob.match` would say the same and compiles every pattern anew at each decision.
package bench

default allow := false

segments := split(input.path, "/")

allow if {
	some rule in data.rules
	rule.authority in input.authorities
	covers(rule)
}

covers(rule) if startswith(input.path, rule.prefix)

covers(rule) if {
	count(rule.segments) == count(segments)
	every index, segment in rule.segments {
		segment in {"*", segments[index]}
	}
}
