import assert from 'node:assert/strict'
import { test } from 'node:test'
import { commonName, dnsName } from '../../packages/spiffe/src/subject/subject-identity.ts'
import { carryOverSubject, verifyOwnChain, verifySubject } from '../../packages/spiffe/src/subject/verify-subject.ts'
import { X509Subject } from '../../packages/spiffe/src/subject/x509-subject.ts'
import { CaBundle } from '../../packages/spiffe/src/trust/ca-bundle.ts'
import {
  basicConstraints,
  bitString,
  extendedKeyUsage,
  extension,
  generalName,
  hex,
  keyUsage,
  name,
  nameConstraints,
} from '../certificate/encode.ts'
import { anyUsage, clientAuth, entity, issueAuthority, keyPair, now, serverAuth, signer } from '../certificate/issue.ts'
import { byCommonName, ca, coreApi, encodeLeaf, type LeafOptions, reasonOf, root, rootDer, verify } from './leaves.ts'

/** The other requirements for leaf and path; subject-names.test.ts covers the names. */

const { uri, dns, ip, directory } = generalName

/** The reason for a leaf of core-api with these properties. */
function judge(options: LeafOptions = {}, chain: readonly Buffer[] = []): string {
  return reasonOf(verify([encodeLeaf(coreApi, options), ...chain]))
}

test('proves name, leaf, path and expiry of a leaf with exactly one listed common name', () => {
  const leaf = encodeLeaf(coreApi)
  const verdict = verify([leaf])
  assert.ok(verdict.ok)
  const { subject } = verdict
  assert.equal(subject.name, 'core-api')
  assert.deepEqual(subject.leaf.der, leaf)
  assert.deepEqual(
    subject.path.map(({ der }) => der),
    [leaf, rootDer],
  )
  assert.equal(subject.bundle, ca)
  assert.equal(subject.expiresAt, now + 3_600_000 + 1000)
})

const bits = (value: number): Buffer => bitString(Buffer.of(value), 0)

for (const [what, options, reason] of [
  ['accepts a key usage with digitalSignature', { extensions: { keyUsage: keyUsage(0, 2) } }, 'ok'],
  ['refuses one without', { extensions: { keyUsage: keyUsage(2) } }, 'digital_signature_missing'],
  ['refuses one with keyCertSign', { extensions: { keyUsage: keyUsage(0, 5) } }, 'leaf_may_sign'],
  ['accepts one with cRLSign', { extensions: { keyUsage: keyUsage(0, 6) } }, 'ok'],
  ['accepts one that is not critical', { extensions: { keyUsage: extension('2.5.29.15', bits(0x80)) } }, 'ok'],
  ['accepts no extended key usage', { extensions: { extendedKeyUsage: null } }, 'ok'],
  [
    'refuses serverAuth alone',
    { extensions: { extendedKeyUsage: extendedKeyUsage(serverAuth) } },
    'wrong_extended_key_usage',
  ],
  ['accepts clientAuth alone', { extensions: { extendedKeyUsage: extendedKeyUsage(clientAuth) } }, 'ok'],
  [
    'refuses anyExtendedKeyUsage on its own',
    { extensions: { extendedKeyUsage: extendedKeyUsage(anyUsage) } },
    'wrong_extended_key_usage',
  ],
  ['accepts no basicConstraints', { extensions: { basicConstraints: null } }, 'ok'],
  ['refuses a leaf that is a CA', { extensions: { basicConstraints: basicConstraints(true) } }, 'leaf_is_ca'],
  [
    'accepts a leaf of version 1, which can have no extensions',
    { fields: { version: Buffer.alloc(0), extensions: null } },
    'ok',
  ],
  [
    'refuses an unknown critical extension',
    { extensions: { other: extension('1.3.6.1.4.1.99999.1', hex('0500'), true) } },
    'unknown_critical_extension',
  ],
  ['refuses SHA-1', { fields: { signer: signer(root.keys.privateKey, 'sha1') } }, 'weak_signature'],
  ['refuses a weak key', { fields: { publicKey: keyBytes('RSA-1024') } }, 'weak_key'],
  ['refuses an altered signature', { fields: { damage: flipLast } }, 'signature_invalid'],
  ['refuses a CA of another name', { by: entity('Other CA', 'P-256', 4) }, 'unknown_authority'],
  ['refuses a CA of the same name and another key', { by: entity('Internal CA', 'P-256', 4) }, 'signature_invalid'],
] as const) {
  test(what, () => assert.equal(judge(options), reason))
}

function keyBytes(type: Parameters<typeof keyPair>[0]): Buffer {
  return keyPair(type).publicKey.export({ type: 'spki', format: 'der' })
}

function flipLast(signature: Buffer): Buffer {
  const changed = Buffer.from(signature)
  changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1)
  return changed
}

test('refuses a leaf outside its validity', () => {
  const leaf = encodeLeaf(coreApi)
  const at = (moment: number): string => reasonOf(verify([leaf], undefined, { now: moment }))
  assert.equal(at(now + 3_600_000 + 999), 'ok')
  assert.equal(at(now + 3_600_000 + 1000), 'expired')
  assert.equal(at(now - 3_600_001), 'not_yet_valid')
  assert.equal(at(NaN), 'not_yet_valid')
})

test('refuses an empty chain, an authority as a leaf, and bytes that are not a certificate', () => {
  assert.equal(reasonOf(verify([])), 'certificate_missing')
  assert.equal(reasonOf(verify([rootDer])), 'name_unknown')
  assert.equal(reasonOf(verify([Buffer.from('x')])), 'certificate_malformed')
  assert.equal(judge({}, [Buffer.from('x')]), 'certificate_malformed')
  assert.equal(
    judge(
      {},
      Array.from({ length: 16 }, () => rootDer),
    ),
    'too_many_certificates',
  )
})

test('refuses an authority that has a listed common name', () => {
  const named = entity('core-api', 'P-256', 3)
  const der = issueAuthority(named)
  assert.equal(reasonOf(verify([der], undefined, { ca: CaBundle.parse(der) })), 'leaf_is_ca')
})

/** The reason for a leaf below an intermediate with these constraints. */
function judgeBelow(
  constraints: Parameters<typeof nameConstraints>[0],
  options: LeafOptions = {},
  subject = coreApi,
): string {
  const lower = entity('Partner CA', 'P-256', 5)
  const der = issueAuthority(lower, { by: root, extensions: { nameConstraints: nameConstraints(constraints) } })
  return reasonOf(verify([encodeLeaf(subject, { ...options, by: lower }), der]))
}

for (const [what, constraints, reason] of [
  ['refuses a common name outside of the permitted hosts', { permitted: [dns('partner.example')] }, violated()],
  ['accepts a permitted host', { permitted: [dns('partner.example'), dns('core-api')] }, 'ok'],
  ['refuses an excluded host', { excluded: [dns('core-api')] }, violated()],
  ['refuses every one if it may not name a host', { excluded: [dns('')] }, violated()],
  ['accepts a host that is not excluded', { excluded: [dns('partner.example')] }, 'ok'],
  ['accepts one if only addresses are constrained', { excluded: [ip('0a000000ff000000')] }, 'ok'],
  ['refuses a subject outside of the permitted names', { permitted: [directory(name('O=Partner'))] }, violated()],
  ['accepts a subject among them', { permitted: [directory(name('O=Example'))] }, 'ok'],
] as const) {
  test(`below an authority with name constraints ${what}`, () => assert.equal(judgeBelow(constraints), reason))
}

test('below an authority with name constraints refuses a common name that cannot be compared with host names', () => {
  const identity = commonName({ authorities: { 'core api': [] } })
  const lower = entity('Partner CA', 'P-256', 5)
  const leaf = encodeLeaf(name('O=Example', 'CN=core api'), { by: lower })
  const below = (constraints: Parameters<typeof nameConstraints>[0]): string => {
    const der = issueAuthority(lower, { by: root, extensions: { nameConstraints: nameConstraints(constraints) } })
    return reasonOf(verify([leaf, der], identity))
  }
  assert.equal(below({ permitted: [directory(name('O=Example'))] }), 'ok')
  assert.equal(below({ permitted: [dns('partner.example')] }), violated())
  assert.equal(below({ excluded: [dns('partner.example')] }), violated())
})

function violated(): string {
  return 'name_constraint_violated'
}

test('below an authority with name constraints checks a DNS name, and no common name where it is not used', () => {
  const lower = entity('Partner CA', 'P-256', 5)
  const permitted = [dns('prod.internal')]
  const byHost = dnsName({ authorities: { 'order-service.prod.internal': [], 'order.partner.example': [] } })
  const der = issueAuthority(lower, { by: root, extensions: { nameConstraints: nameConstraints({ permitted }) } })
  const below = (text: string): string =>
    reasonOf(verify([encodeLeaf(coreApi, { by: lower, names: [dns(text)] }), der], byHost))
  assert.equal(below('order-service.prod.internal'), 'ok')
  assert.equal(below('order.partner.example'), violated())
})

test('finds the path through a presented or known intermediate', () => {
  const lower = entity('Lower CA', 'P-256', 5)
  const der = issueAuthority(lower, { by: root })
  const leaf = encodeLeaf(coreApi, { by: lower })
  assert.equal(reasonOf(verify([leaf, der])), 'ok')
  assert.equal(reasonOf(verify([leaf])), 'unknown_authority')
  const additional = CaBundle.parse(der).authorities
  assert.equal(reasonOf(verify([leaf], undefined, { additional })), 'ok')
})

test('renews a proof under a bundle that also has its authority, and under no other', () => {
  const verdict = verify([encodeLeaf(coreApi)])
  assert.ok(verdict.ok)
  const other = issueAuthority(entity('Other CA', 'P-256', 4))
  const wider = CaBundle.parse(Buffer.concat([other, rootDer]))
  const carried = carryOverSubject(verdict.subject, wider)
  assert.equal(carried?.bundle, wider)
  assert.equal(carried?.name, 'core-api')
  assert.equal(carried?.expiresAt, verdict.subject.expiresAt)
  assert.equal(carryOverSubject(verdict.subject, CaBundle.parse(other)), undefined)
})

test('accepts our own chain with any name but a SPIFFE ID, for each side that its extended key usage allows', () => {
  const own = (options: LeafOptions): string => {
    const verdict = verifyOwnChain({ chain: [encodeLeaf(name('CN=whatever'), options)], ca, now })
    return verdict.ok ? verdict.sides.join(' ') : verdict.reason
  }
  assert.equal(own({}), 'server client')
  assert.equal(own({ extensions: { extendedKeyUsage: extendedKeyUsage(serverAuth) } }), 'server')
  assert.equal(own({ extensions: { extendedKeyUsage: extendedKeyUsage(clientAuth) } }), 'client')
  assert.equal(own({ extensions: { extendedKeyUsage: extendedKeyUsage(clientAuth, serverAuth) } }), 'server client')
  assert.equal(own({ extensions: { extendedKeyUsage: extendedKeyUsage(anyUsage) } }), 'wrong_extended_key_usage')
  assert.equal(own({ names: [uri('spiffe://internal.example/x')] }), 'spiffe_id_present')
  assert.equal(own({ by: entity('Other CA', 'P-256', 4) }), 'unknown_authority')
})

test('never treats another kind of error as a refusal', () => {
  const broken = {
    chain: [encodeLeaf(coreApi)],
    now,
    get ca(): CaBundle {
      throw new RangeError('broken')
    },
  }
  assert.throws(() => verifySubject(broken, byCommonName), RangeError)
})

test('never accepts an unverified object as a proof', () => {
  const forged: unknown = Object.create(X509Subject.prototype)
  assert.throws(() => forged instanceof X509Subject && forged.name, TypeError)
})
