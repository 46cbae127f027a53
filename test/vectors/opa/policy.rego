# The policy of the tests: one entry point for each kind of answer.
package countersign

default allow := false

allow if {
	some grant in data.grants
	grant.caller == input.principal.serviceAccount
	startswith(input.path, grant.prefix)
}

decision := {"allow": true} if allow

decision := {"allow": false, "reason": "no grant covers the path"} if not allow

# Has no result unless it is true.
without_default if allow

malformed := {"allow": "yes"}

# The input decides how much memory this takes.
hungry if {
	allow
	count(numbers.range(1, to_number(input.headers["x-size"][0]))) > 0
}

# Two outputs are an error if the header has two lines.
conflicting := line == "yes" if {
	allow
	some line in input.headers["x-line"]
}

timely if {
	allow
	input.time > 1600000000
}
