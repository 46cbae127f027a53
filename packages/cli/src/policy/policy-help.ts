/** The text after the commands of `countersign policy --help`. */
export const policyHelp: string = `
Examples:
  $ countersign policy check policies/
  $ countersign policy test table.yaml policies/ --as $BILLING
  $ countersign policy matrix policies/ --as $BILLING --html matrix.html
  $ countersign policy diff old/ new/ --as $BILLING --log decisions.jsonl

$BILLING is the SPIFFE ID of the service that uses the documents, such as
spiffe://saas.example/ns/production/sa/billing. Documents are files or
folders, as for policyFiles() of @countersign/policy.

Exit codes: 0 success or yes; 1 no, as described by each command; 2 the
command line is wrong, or a file cannot be used.`

const common = `
Exit codes: 0 the question was answered; 2 the command line is wrong, or a
document is not valid. 1 is not used.`

/** The text after the options of `countersign policy check --help`. */
export const checkHelp: string = `
Examples:
  $ countersign policy check policies/
  $ countersign policy check policies/ --strict --json
  $ countersign policy check billing.yaml common.yaml \\
      --as spiffe://saas.example/ns/production/sa/billing

Each problem is one line: file:line:column, what was found, what is expected.
With --as, the documents also pass the checks of the service at startup: for
example, a rule that no caller can meet is an error.

Exit codes: 0 the documents are valid; 1 a document has an error, or with
--strict a warning; 2 the command line is wrong, or a file cannot be read.`

/** The text after the options of `countersign policy explain --help`. */
export const explainHelp: string = `
Examples:
  $ countersign policy explain spiffe://saas.example/ns/production/sa/web \\
      GET /invoices/17 policies/ \\
      --as spiffe://saas.example/ns/production/sa/billing
  $ countersign policy explain anonymous GET /health policies/ \\
      --as spiffe://saas.example/ns/production/sa/billing --permissive

A header, host, port or address that is not stated is not known: a DENY
policy that reads it matches, and an ALLOW policy does not.
${common}`

/** The text after the options of `countersign policy who-can --help`. */
export const whoCanHelp: string = `
Examples:
  $ countersign policy who-can GET /invoices/17 policies/ \\
      --as spiffe://saas.example/ns/production/sa/billing
  $ countersign policy who-can DELETE '/invoices/*' policies/ \\
      --as spiffe://saas.example/ns/production/sa/billing \\
      --log decisions.jsonl

The callers are those named in the documents and the log, and each class that
a wildcard covers. "depends" means that the decision depends on something
only known for a request, such as a header.
${common}`

/** The text after the options of `countersign policy what-can --help`. */
export const whatCanHelp: string = `
Examples:
  $ countersign policy what-can spiffe://saas.example/ns/production/sa/web \\
      policies/ --as spiffe://saas.example/ns/production/sa/billing
  $ countersign policy what-can anonymous policies/ --permissive \\
      --as spiffe://saas.example/ns/production/sa/billing
${common}`

/** The text after the options of `countersign policy matrix --help`. */
export const matrixHelp: string = `
Examples:
  $ countersign policy matrix policies/ \\
      --as spiffe://saas.example/ns/production/sa/billing
  $ countersign policy matrix policies/ --html matrix.html \\
      --as spiffe://saas.example/ns/production/sa/billing \\
      --log decisions.jsonl --routes routes.txt

The page loads nothing and works without scripts.
${common}`

/** The text after the options of `countersign policy diff --help`. */
export const diffHelp: string = `
Examples:
  $ countersign policy diff old/ new/ --log decisions.jsonl \\
      --as spiffe://saas.example/ns/production/sa/billing
  $ countersign policy diff old.yaml new.yaml --log - --json \\
      --as spiffe://saas.example/ns/production/sa/billing < decisions.jsonl

The log is written by decisionLog() of @countersign/core. It does not contain
headers, hosts or addresses. If a decision depends on them, its effect is
"depends".

Exit codes: 0 no request that the old documents allow would be denied; 1 at
least one would be, or would depend on what the log does not record; 2 the
command line is wrong, or a document or the log is not valid.`

/** The text after the options of `countersign policy test --help`. */
export const testHelp: string = `
Examples:
  $ countersign policy test table.yaml policies/ \\
      --as spiffe://saas.example/ns/production/sa/billing
  $ cat table.yaml
  - caller: spiffe://saas.example/ns/production/sa/web
    method: GET
    path: /invoices/17
    expect: allow
  - { caller: anonymous, method: GET, path: /invoices, expect: deny }

A row may also have credential, headers, host, port and address. If it has
rule (an index), policy, reason or status, the decision has to match them too.
A header that is not in the row is absent.

Exit codes: 0 every row is as expected; 1 a row is not; 2 the command line is
wrong, or the table or a document is not valid.`

/** The text after the options of `countersign policy convert --help`. */
export const convertHelp: string = `
Examples:
  $ countersign policy convert ./rules.js > policies/billing.yaml
  $ countersign policy convert ./guard-options.js --json

The module exports rules, policies, or both, by these names or as properties
of its default export. It is executed. custom() and perRoute() exist only in
code and cannot be converted.

Exit codes: 0 the document was written; 1 the rules or policies cannot be
converted; 2 the command line is wrong, or the module cannot be loaded.`
