import assert from 'node:assert/strict'
import test from 'node:test'
import type { Certificate } from '../../packages/spiffe/src/certificate/certificate.ts'
import { decodeCertificate } from '../../packages/spiffe/src/certificate/decode.ts'
import { findNameViolation, maxNameComparisons } from '../../packages/spiffe/src/certificate/name-constraints.ts'
import { attribute, generalName, name, nameConstraints, sequence, subjectAlternativeName } from './encode.ts'
import { entity, issueAuthority, issueLeaf } from './issue.ts'

const { dns, email, uri, ip, directory, other, x400, ediParty, registeredId } = generalName

interface Lists {
  readonly permitted?: readonly Buffer[]
  readonly excluded?: readonly Buffer[]
}

const authority = entity('authority')

function constrained(lists: Lists): Certificate {
  return decodeCertificate(issueAuthority(authority, { extensions: { constraints: nameConstraints(lists) } }))
}

function leafWith(names: readonly Buffer[], subject: Buffer = name()): Certificate {
  const extensions = { names: names.length === 0 ? null : subjectAlternativeName(...names) }
  return decodeCertificate(issueLeaf({ ...entity('leaf'), name: subject }, { by: authority, extensions }))
}

function isAllowed(lists: Lists, names: readonly Buffer[], subject?: Buffer): boolean {
  return findNameViolation([leafWith(names, subject), constrained(lists)]) === undefined
}

const inside = true
const outside = false

interface Case {
  readonly base: Buffer
  readonly name: Buffer
  /** Accepted if the base is permitted. */
  readonly permitted: boolean
  /** These names are accepted if the base is excluded. */
  readonly excluded: boolean
}

function rows(
  type: (text: string) => Buffer,
  cases: readonly (readonly [base: string, name: string, permitted: boolean, excluded?: boolean])[],
): readonly Case[] {
  return cases.map(([base, text, permitted, excluded = !permitted]) => {
    return { base: type(base), name: type(text), permitted, excluded }
  })
}

// A name that cannot be evaluated is accepted in neither case: the last two columns are both `outside`.
const table: readonly Case[] = [
  ...rows(dns, [
    ['example.com', 'example.com', inside],
    ['example.com', 'EXAMPLE.com', inside],
    ['EXAMPLE.com', 'a.example.com', inside],
    ['example.com', 'a.b.example.com', inside],
    ['example.com', 'badexample.com', outside],
    ['example.com', 'com', outside],
    ['example.com', 'example.com.evil', outside],
    ['.example.com', 'a.example.com', inside],
    ['.example.com', 'badexample.com', outside],
    ['.example.com', 'example.com', outside, outside],
    ['', 'example.com', inside],
    ['example.com', '*.example.com', inside],
    ['a.example.com', '*.example.com', outside, outside],
    ['b.a.example.com', '*.example.com', outside, outside],
    ['example.org', '*.example.com', outside],
    ['example.com', 'example.com.', outside, outside],
    ['example.com', 'f*.example.com', outside, outside],
    ['example.com', '*', outside, outside],
    ['example.com', 'a..example.com', outside, outside],
    ['*.example.com', 'a.example.com', outside, outside],
    ['..example.com', 'a.example.com', outside, outside],
  ]),
  ...rows(email, [
    ['ops@example.com', 'ops@example.com', inside],
    ['ops@example.com', 'ops@EXAMPLE.com', inside],
    ['ops@example.com', 'OPS@example.com', outside],
    ['ops@example.com', 'dev@example.com', outside],
    ['example.com', 'ops@example.com', inside],
    ['example.com', 'ops@Example.COM', inside],
    ['example.com', 'ops@a.example.com', outside],
    ['.example.com', 'ops@a.example.com', inside],
    ['.example.com', 'ops@a.b.example.com', inside],
    ['.example.com', 'ops@example.com', outside],
    ['.example.com', 'ops@badexample.com', outside],
    ['example.com', 'example.com', outside, outside],
    ['example.com', '"a@b"@example.com', outside, outside],
    ['example.com', 'a@evil.example@example.com', outside, outside],
    ['example.com', 'a@[10.0.0.1]', outside, outside],
    ['a@b@example.com', 'b@example.com', outside, outside],
    ['', 'ops@example.com', outside, outside],
  ]),
  ...rows(uri, [
    ['saas.example', 'spiffe://saas.example/ns/x', inside],
    ['saas.example', 'spiffe://saas.example', inside],
    ['saas.example', 'https://SAAS.example:8443/x', inside],
    ['saas.example', 'https://saas.example?x', inside],
    ['saas.example', 'https://saas.example#x', inside],
    ['SAAS.example', 'https://saas.example/', inside],
    ['saas.example', 'spiffe://a.saas.example/x', outside],
    ['saas.example', 'spiffe://saas.example.evil/x', outside],
    ['.saas.example', 'spiffe://a.saas.example/x', inside],
    ['.saas.example', 'spiffe://a.b.saas.example/x', inside],
    ['.saas.example', 'spiffe://saas.example/x', outside],
    ['.saas.example', 'spiffe://evilsaas.example/x', outside],
    ['saas.example', 'spiffe://saas.example@evil.example/x', outside, outside],
    ['saas.example', 'spiffe://evil.example@saas.example/x', outside, outside],
    ['saas.example', 'urn:saas.example:x', outside, outside],
    ['saas.example', 'spiffe:///x', outside, outside],
    ['saas.example', '//saas.example/x', outside, outside],
    ['10.0.0.1', 'https://10.0.0.1/', outside, outside],
    ['saas.example', 'https://[2001:db8::1]/', outside, outside],
    ['saas.example', 'https://saas%2eexample/', outside, outside],
    ['', 'spiffe://saas.example/x', outside, outside],
    ['saas.example/x', 'spiffe://saas.example/x', outside, outside],
  ]),
  ...rows(ip, [
    ['0a000000ff000000', '0a010203', inside],
    ['0a000000ff000000', '0b010203', outside],
    ['0a010203ff000000', '0affffff', inside],
    ['0a010203ffffffff', '0a010203', inside],
    ['0a010203ffffffff', '0a010204', outside],
    ['0000000000000000', '0b010203', inside],
    ['0000000000000000', '20010db8000000000000000000000001', outside],
    [`${'20010db8'.padEnd(32, '0')}${'ffffffff'.padEnd(32, '0')}`, '20010db8000000000000000000000001', inside],
    [`${'20010db8'.padEnd(32, '0')}${'ffffffff'.padEnd(32, '0')}`, '20010db9000000000000000000000001', outside],
    ['00'.repeat(32), '0a010203', outside],
  ]),
  ...rows(
    (text) => directory(name(...text.split('/').filter((part) => part !== ''))),
    [
      ['O=Example', 'O=Example', inside],
      ['O=Example', 'O=example/CN=x', inside],
      ['O=Example', 'O=Other/CN=x', outside],
      ['O=Example/OU=x', 'O=Example', outside],
      ['OU=x', 'O=Example/OU=x', outside],
      ['', 'O=Example', inside],
      ['O=\u00c9cole', 'O=\u00e9cole', outside, outside],
      ['O=Kelvin', 'O=\u212aelvin', outside, outside],
    ],
  ),
]

for (const row of table) {
  test(`compares ${show(row.name)} with the subtree ${show(row.base)}`, () => {
    assert.equal(isAllowed({ permitted: [row.base] }, [row.name]), row.permitted)
    assert.equal(isAllowed({ excluded: [row.base] }, [row.name]), row.excluded)
  })
}

for (const [type, value] of Object.entries({
  other: other(),
  x400: x400(),
  ediParty: ediParty(),
  registeredId: registeredId(),
})) {
  test(`rejects a constrained name of type ${type}, which it cannot evaluate`, () => {
    assert.equal(isAllowed({ permitted: [value] }, [value]), false)
    assert.equal(isAllowed({ excluded: [value] }, [value]), false)
    assert.equal(isAllowed({ excluded: [value] }, [dns('example.com')]), true)
    assert.equal(isAllowed({ excluded: [dns('example.com')] }, [value]), true)
  })
}

test('constrains only names of the type of a subtree', () => {
  const names = [uri('spiffe://saas.example/x'), email('a@x.example'), ip('0a000001')]

  assert.equal(isAllowed({ permitted: [dns('example.com')] }, names, name('O=x')), true)
  const bases = [
    dns('saas.example'),
    email('saas.example'),
    uri('x.example'),
    ip('00000000000000000000000000000000'.padEnd(64, '0')),
  ]
  assert.equal(isAllowed({ excluded: bases }, names, name('O=x')), true)
  assert.equal(isAllowed({ excluded: [uri('saas.example'), ip('0a000001ffffffff')] }, [dns('saas.example')]), true)
})

test('permits a name inside any permitted subtree of its type, and requires it of every name', () => {
  const lists = { permitted: [dns('example.com'), dns('example.org'), uri('saas.example')] }

  assert.equal(isAllowed(lists, [dns('a.example.org'), dns('a.example.com')]), true)
  assert.equal(isAllowed(lists, [dns('a.example.org'), dns('a.example.net')]), false)
  assert.equal(isAllowed(lists, [dns('a.example.org'), uri('spiffe://other.example/x')]), false)
})

test('excludes a name even if it is also permitted', () => {
  const lists = { permitted: [dns('example.com')], excluded: [dns('a.example.com')] }

  assert.equal(isAllowed(lists, [dns('b.example.com')]), true)
  assert.equal(isAllowed(lists, [dns('b.a.example.com')]), false)
})

test('requires a name to be inside the permitted subtrees of every certificate above it', () => {
  const wide = constrained({ permitted: [dns('example.com')] })
  const narrow = constrained({ permitted: [dns('a.example.com')] })

  assert.equal(findNameViolation([leafWith([dns('x.a.example.com')]), narrow, wide]), undefined)
  assert.notEqual(findNameViolation([leafWith([dns('x.b.example.com')]), narrow, wide]), undefined)
  assert.notEqual(findNameViolation([leafWith([dns('x.b.example.com')]), wide, narrow]), undefined)
})

test('applies non-critical constraints', () => {
  const critical = nameConstraints({ excluded: [dns('example.com')] })
  const value = critical.subarray(critical.indexOf(Buffer.from([0x04])))
  const optional = sequence(Buffer.from('0603551d1e', 'hex'), value)
  const above = decodeCertificate(issueAuthority(authority, { extensions: { optional } }))

  assert.notEqual(findNameViolation([leafWith([dns('example.com')]), above]), undefined)
})

test('checks a non-empty subject as a directory name', () => {
  const lists = { permitted: [directory(name('O=Example'))] }

  assert.equal(isAllowed(lists, [], name('O=Example', 'CN=x')), true)
  assert.equal(isAllowed(lists, [], name('O=Other', 'CN=x')), false)
  assert.equal(isAllowed(lists, [dns('a')]), true)
})

test('checks e-mail addresses in the subject, even with alternative names', () => {
  const lists = { excluded: [email('evil.example')] }

  assert.equal(isAllowed(lists, [], name('E=a@evil.example')), false)
  assert.equal(isAllowed(lists, [email('a@good.example')], name('E=a@evil.example')), false)
  assert.equal(isAllowed(lists, [], name(attribute('E=a@good.example', 0x0c))), false)
  assert.equal(isAllowed(lists, [], name('E=a@good.example')), true)
})

test("checks a leaf's common name that looks like a host name", () => {
  const lists = { permitted: [dns('example.com')] }

  assert.equal(isAllowed(lists, [], name('CN=a.example.com')), true)
  assert.equal(isAllowed(lists, [], name('CN=a.example.org')), false)
  assert.equal(isAllowed(lists, [dns('a.example.com')], name('CN=a.example.org')), false)
  assert.equal(isAllowed(lists, [], name('CN=Core API 1.2')), true)
  assert.equal(isAllowed(lists, [], name('CN=core-api')), true)
})

test('checks intermediates except their common names, and skips self-issued ones', () => {
  const top = constrained({ permitted: [dns('example.com')] })
  const wrong = { names: subjectAlternativeName(dns('evil.example')) }
  const intermediate = decodeCertificate(issueAuthority(entity('below'), { by: authority, extensions: wrong }))
  const selfIssued = decodeCertificate(issueAuthority(authority, { extensions: wrong }))
  const named = decodeCertificate(issueAuthority({ ...entity('x'), name: name('CN=a.example.org') }, { by: authority }))
  const leaf = leafWith([dns('example.com')])

  assert.notEqual(findNameViolation([leaf, intermediate, top]), undefined)
  assert.equal(findNameViolation([leaf, selfIssued, top]), undefined)
  assert.equal(findNameViolation([leaf, named, top]), undefined)
})

test('checks a self-issued leaf', () => {
  const leaf = decodeCertificate(
    issueAuthority(authority, { extensions: { names: subjectAlternativeName(dns('evil.example')) } }),
  )

  assert.notEqual(findNameViolation([leaf, constrained({ permitted: [dns('example.com')] })]), undefined)
})

test('does not constrain the certificate that contains the constraints', () => {
  const constraints = nameConstraints({ excluded: [dns('example.com')] })
  const names = subjectAlternativeName(dns('example.com'))
  const top = decodeCertificate(issueAuthority(authority, { extensions: { constraints, names } }))

  assert.equal(findNameViolation([leafWith([dns('example.org')]), top]), undefined)
})

test('gives up if there are too many names and subtrees to compare', () => {
  const names = Array.from({ length: 129 }, (_, index) => dns(`h${index}.example.com`))
  const bases = Array.from({ length: 128 }, (_, index) => dns(`x${index}.example.org`))

  assert.equal(maxNameComparisons, 128 * 128)
  assert.equal(isAllowed({ excluded: bases }, names.slice(1)), true)
  assert.equal(isAllowed({ excluded: bases }, names), false)
})

test('names the violating name and the constraining certificate, for every type', () => {
  const pairs = [
    [dns('a.example'), dns('a.example')],
    [directory(name('O=x')), directory(name('O=x'))],
    [ip('0a000001'), ip('0a000001ffffffff')],
  ] as const
  const shown = pairs.map(([value, base]) => {
    return findNameViolation([leafWith([value]), constrained({ excluded: [base] })]) ?? ''
  })

  assert.match(shown[0] ?? '', /'a\.example'.*authority/)
  assert.match(shown[1] ?? '', /'O=x'/)
  assert.match(shown[2] ?? '', /0x0a000001/)
})

function show(value: Buffer): string {
  return JSON.stringify(value.toString('latin1', 2)).slice(0, 60)
}
