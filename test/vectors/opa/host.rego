# Calls a function that OPA does not compile to WebAssembly.
package countersign

decision := {"allow": false, "reason": sprintf("%s may not call %s", [input.principal.name, input.path])}
