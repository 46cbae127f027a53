import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadWorkloadService, type WireMethod } from '@countersign/workload-api/wire'
import * as fc from 'fast-check'
import { loadReferenceService } from './reference-service.ts'

const service = loadWorkloadService()
const reference = loadReferenceService()

const text = fc.string({ unit: 'grapheme', maxLength: 20 })
const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const byteMap = fc.dictionary(fc.oneof(text, fc.constantFrom('__proto__', 'constructor', '')), bytes, { maxKeys: 4 })

const scalar = fc.oneof(
  fc.constant({ nullValue: 0 }),
  fc.double({ noNaN: true }).map((numberValue) => ({ numberValue })),
  text.map((stringValue) => ({ stringValue })),
  fc.boolean().map((boolValue) => ({ boolValue })),
)
const { value } = fc.letrec<{ value: object }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }).map((values) => ({ listValue: { values } })),
    fc.dictionary(text, tie('value'), { maxKeys: 3 }).map((fields) => ({ structValue: { fields } })),
  ),
}))

const jwtSvids = fc.array(fc.record({ spiffe_id: text, svid: text, hint: text }), { maxLength: 3 })
const x509Svids = fc.array(
  fc.record({ spiffe_id: text, x509_svid: bytes, x509_svid_key: bytes, bundle: bytes, hint: text }),
  { maxLength: 3 },
)
const crl = fc.array(bytes, { maxLength: 3 })

const messages: Readonly<Record<string, readonly [request: fc.Arbitrary<object>, response: fc.Arbitrary<object>]>> = {
  FetchX509SVID: [fc.constant({}), fc.record({ svids: x509Svids, crl, federated_bundles: byteMap })],
  FetchX509Bundles: [fc.constant({}), fc.record({ crl, bundles: byteMap })],
  FetchJWTSVID: [
    fc.record({ audience: fc.array(text, { maxLength: 3 }), spiffe_id: text }),
    fc.record({ svids: jwtSvids }),
  ],
  FetchJWTBundles: [fc.constant({}), fc.record({ bundles: byteMap })],
  ValidateJWTSVID: [
    fc.record({ audience: text, svid: text }),
    fc.record({
      spiffe_id: text,
      claims: fc.option(fc.dictionary(text, value, { maxKeys: 4 }).map((fields) => ({ fields }))),
    }),
  ],
}

/** What both implementations have in common, so that each can read the other's messages. */
interface Coder {
  readonly requestSerialize: (value: object) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => object
  readonly responseSerialize: (value: object) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => object
}

for (const [name, [request, response]] of Object.entries(messages)) {
  const ours: WireMethod | undefined = service[name]
  const theirs: Coder | undefined = reference[name]
  assert.ok(ours && theirs)

  test(`${name}: another implementation reads what we write, and vice versa`, () => {
    const check = (encode: (value: object) => Buffer, decode: (encoded: Buffer) => object, message: object): void => {
      assert.deepEqual(plain(decode(encode(message))), plain(message))
    }
    fc.assert(
      fc.property(request, response, (asked, answered) => {
        check(ours.requestSerialize, theirs.requestDeserialize, asked)
        check(theirs.requestSerialize, ours.requestDeserialize, asked)
        check(ours.responseSerialize, theirs.responseDeserialize, answered)
        check(theirs.responseSerialize, ours.responseDeserialize, answered)
      }),
      { numRuns: 100 },
    )
  })

  test(`${name} has the path and kind from proto/workload.proto`, () => {
    const { path, requestStream, responseStream } = reference[name] ?? {}
    assert.deepEqual([ours.path, ours.requestStream, ours.responseStream], [path, requestStream, responseStream])
  })
}

test('covers exactly the methods of proto/workload.proto', () => {
  assert.deepEqual(Object.keys(service).toSorted(), Object.keys(reference).toSorted())
})

/** Without prototypes and sorted by name, in which the implementations differ. */
function plain(message: unknown): unknown {
  if (Buffer.isBuffer(message)) return message.toString('hex')
  if (Array.isArray(message)) return message.map(plain)
  if (typeof message !== 'object' || message === null) return message
  const entries = Object.entries(message).map(([key, one]: [string, unknown]) => [key, plain(one)] as const)
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

const { responseDeserialize: read } = service.FetchX509SVID

for (const [what, hex] of [
  ['a tag that is truncated', 'ff'],
  ['a length beyond the end', '0a05616263'],
  ['a field with another wire type', '0801'],
  ['a group that is not closed', '0b'],
  ['field number 0', '02016100'],
  ['a message in the message that is truncated', '0a030a0561'],
  ['bytes that are not UTF-8', '0a040a02fffe'],
] as const) {
  test(`rejects ${what}`, () => {
    assert.throws(() => read(Buffer.from(hex, 'hex')))
  })
}

test('skips fields with other numbers, of any kind', () => {
  const others: Readonly<Record<string, Buffer>> = {
    varint: Buffer.concat([tag(99, 0), varint(300)]),
    'eight bytes': Buffer.concat([tag(99, 1), Buffer.alloc(8)]),
    'four bytes': Buffer.concat([tag(99, 5), Buffer.alloc(4)]),
    bytes: field(99, Buffer.from('other')),
    group: Buffer.concat([tag(99, 3), field(1, Buffer.from('a')), tag(99, 4)]),
  }
  for (const [what, other] of Object.entries(others)) {
    const known = field(1, field(1, Buffer.from('a')))
    assert.deepEqual(read(Buffer.concat([other, known, other])), read(known), what)
  }
})

test('the last value of a repeated single field counts, and the last kind of a choice', () => {
  const ids = ['a', 'b', 'c'].map((id) => field(2, Buffer.from(id)))
  assert.deepEqual(service.FetchJWTSVID.requestDeserialize(Buffer.concat(ids)), { audience: [], spiffe_id: 'c' })
  const kinds = Buffer.concat([field(3, Buffer.from('text')), tag(4, 0), varint(1)])
  assert.deepEqual(service.ValidateJWTSVID.responseDeserialize(claimsOf(kinds)), {
    spiffe_id: '',
    claims: { fields: { a: { boolValue: true } } },
  })
})

test('rejects messages nested deeper than the stack allows', () => {
  const nested = (depth: number): Buffer => {
    let value: Buffer = Buffer.alloc(0)
    for (let count = 0; count < depth; count += 1) value = field(6, field(1, value))
    return claimsOf(value)
  }
  assert.ok(service.ValidateJWTSVID.responseDeserialize(nested(40)))
  assert.throws(() => service.ValidateJWTSVID.responseDeserialize(nested(2000)), TypeError)
})

/** A response with a claim `a` of this google.protobuf.Value. */
function claimsOf(value: Buffer): Buffer {
  return field(2, field(1, Buffer.concat([field(1, Buffer.from('a')), field(2, value)])))
}

function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([tag(number, 2), varint(content.length), content])
}

function tag(number: number, wireType: number): Buffer {
  return varint(number * 8 + wireType)
}

function varint(number: number): Buffer {
  const digits: number[] = []
  for (let rest = number; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...digits, rest])
    digits.push((rest & 0x7f) | 0x80)
  }
}
