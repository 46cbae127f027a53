import assert from 'node:assert/strict'
import { once } from 'node:events'
import { X509Certificate } from 'node:crypto'
import { connect, createServer, TLSSocket } from 'node:tls'
import { test } from 'node:test'
import {
  type Authority,
  createAuthority,
  createKey,
  type KeyType,
  type NameConstraints,
  type TestSvid,
} from '@countersign/testkit'
import { readCertificate } from './read-certificate.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const coreApi = 'spiffe://saas.example/ns/production/sa/core-api'

test('OpenSSL accepts default SVIDs at both ends of a connection', async () => {
  const authority = await createAuthority('saas.example')
  const [server, client] = await Promise.all([authority.issue(billing), authority.issue(coreApi)])
  assert.deepEqual(await shakeHands(server, client, authority.bundlePem), { server: 'accepted', client: 'accepted' })
})

for (const keyType of ['P-384', 'P-521', 'RSA-2048', 'RSA-3072', 'Ed25519'] satisfies readonly KeyType[]) {
  test(`OpenSSL accepts authorities and SVIDs with ${keyType} keys`, async () => {
    const key = await createKey(keyType)
    const authority = await createAuthority('saas.example', { key })
    const svid = await authority.issue(billing, { keyType })
    assert.equal(svid.key.type, keyType)
    assert.deepEqual(await shakeHands(svid, svid, authority.bundlePem), { server: 'accepted', client: 'accepted' })
  })
}

test('SVIDs of an intermediate carry the chain without the root', async () => {
  const root = await createAuthority('saas.example')
  const upper = await root.intermediate({ name: 'upper' })
  const lower = await upper.intermediate({ name: 'lower' })
  const svid = await lower.issue(billing)
  assert.deepEqual(svid.certificates.slice(1), [lower.certificateDer, upper.certificateDer])
  assert.equal(svid.certificatePem.match(/BEGIN CERTIFICATE/g)?.length, 3)
  assert.equal(lower.bundlePem, root.certificatePem)
  assert.deepEqual(await shakeHands(svid, svid, root.bundlePem), { server: 'accepted', client: 'accepted' })
})

test('a cross-signed authority connects its SVIDs to the other root', async () => {
  const [old, young] = await Promise.all([createAuthority('saas.example'), createAuthority('saas.example')])
  const crossSigned = await old.crossSign(young)
  const svid = await crossSigned.issue(billing)
  assert.equal(crossSigned.keyPem, young.keyPem)
  assert.equal(crossSigned.bundlePem, old.bundlePem)
  assert.equal(readCertificate(crossSigned.certificateDer, old).signedByIssuer, true)
  assert.deepEqual(await shakeHands(svid, svid, old.bundlePem), { server: 'accepted', client: 'accepted' })
})

test('two authorities can share a name, a key or both', async () => {
  const first = await createAuthority('saas.example')
  const sameName = await createAuthority('saas.example')
  const sameKey = await createAuthority('saas.example', { key: first.key, name: 'another' })
  assert.equal(nameOf(sameName), nameOf(first))
  assert.notEqual(sameName.keyPem, first.keyPem)
  assert.notEqual(nameOf(sameKey), nameOf(first))
  assert.equal(sameKey.keyPem, first.keyPem)
})

const ipv6 = { type: 'ip', value: '2001:db8::/32' } as const

const constraints: readonly (readonly [string, NameConstraints, 'accepted' | 'refused'])[] = [
  ['its own trust domain permitted', { permitted: [{ type: 'uri', value: 'saas.example' }] }, 'accepted'],
  ['another trust domain permitted', { permitted: [{ type: 'uri', value: 'partner.example' }] }, 'refused'],
  ['its own trust domain excluded', { excluded: [{ type: 'uri', value: 'saas.example' }] }, 'refused'],
  ['its DNS name permitted', { permitted: [{ type: 'dns', value: 'internal' }] }, 'accepted'],
  ['its DNS name excluded', { excluded: [{ type: 'dns', value: 'internal' }] }, 'refused'],
  ['its address range permitted', { permitted: [{ type: 'ip', value: '10.0.0.0/9' }, ipv6] }, 'accepted'],
  ['another address range permitted', { permitted: [{ type: 'ip', value: '10.128.0.0/9' }, ipv6] }, 'refused'],
  ['its IPv6 range excluded', { excluded: [ipv6] }, 'refused'],
  ['its directory name permitted', { permitted: [{ type: 'directory', value: { C: 'US' } }] }, 'accepted'],
  ['its directory name excluded', { excluded: [{ type: 'directory', value: { C: 'US' } }] }, 'refused'],
]

for (const [name, nameConstraints, expected] of constraints) {
  test(`OpenSSL reads name constraints with ${name}`, async () => {
    const root = await createAuthority('saas.example')
    const intermediate = await root.intermediate({ nameConstraints })
    const svid = await intermediate.issue(billing, {
      dnsNames: ['billing.internal'],
      ipAddresses: ['10.1.2.3', '2001:db8::1:2'],
    })
    const { client } = await shakeHands(svid, svid, root.bundlePem)
    assert.equal(client, expected)
  })
}

test('encodes addresses exactly', async () => {
  const authority = await createAuthority('saas.example')
  const ipAddresses = ['10.1.2.3', '2001:db8::1:2', '::', '::1', 'fe80::', '::ffff:10.1.2.3', '1:2:3:4:5:6:7:8']
  const [leaf] = (await authority.issue(billing, { ipAddresses })).certificates
  assert.ok(leaf)
  assert.equal(
    new X509Certificate(leaf).subjectAltName,
    `URI:${billing}, IP Address:10.1.2.3, IP Address:2001:DB8:0:0:0:0:1:2, IP Address:0:0:0:0:0:0:0:0, ` +
      'IP Address:0:0:0:0:0:0:0:1, IP Address:FE80:0:0:0:0:0:0:0, IP Address:0:0:0:0:0:FFFF:A01:203, ' +
      'IP Address:1:2:3:4:5:6:7:8',
  )
})

test('encodes distinguished names exactly, in order', async () => {
  const authority = await createAuthority('saas.example', { subject: { DC: ['example', 'saas'], CN: 'a, "b" + ü' } })
  const { subject } = new X509Certificate(authority.certificateDer)
  assert.equal(subject, 'DC=example\nDC=saas\nCN=a, \\"b\\" \\+ ü'.replace('a, ', 'a\\, '))
})

test('an SVID has its expiry, SPIFFE ID and serial number', async () => {
  const authority = await createAuthority('saas.example')
  const now = Date.UTC(2026, 0, 1) + 999
  const svid = await authority.issue(billing, { now, ttlSeconds: 60, notBefore: now - 5000 })
  const leaf = new X509Certificate(svid.certificatePem)
  assert.equal(svid.spiffeId, billing)
  assert.equal(svid.expiresAt, Date.UTC(2026, 0, 1, 0, 1))
  assert.equal(Date.parse(leaf.validTo), svid.expiresAt)
  assert.equal(Date.parse(leaf.validFrom), Date.UTC(2026, 0, 1) - 5000)
  assert.equal(leaf.serialNumber.toLowerCase(), svid.serialNumber)
})

test('two SVIDs with one ID differ in key and serial number, unless the key is given', async () => {
  const authority = await createAuthority('saas.example')
  const first = await authority.issue(billing)
  const second = await authority.issue(billing)
  const third = await authority.issue(billing, { key: first.key })
  assert.notEqual(first.keyPem, second.keyPem)
  assert.notEqual(first.serialNumber, third.serialNumber)
  assert.equal(first.keyPem, third.keyPem)
})

const refused: readonly (readonly [string, string, string])[] = [
  ['text that is not a SPIFFE ID', 'core-api', 'bad_scheme'],
  ['an ID of another trust domain', 'spiffe://partner.example/core-api', 'option_invalid'],
  ['the ID of the trust domain itself', 'spiffe://saas.example', 'option_invalid'],
]

for (const [name, spiffeId, code] of refused) {
  test(`does not issue for ${name} by mistake`, async () => {
    const authority = await createAuthority('saas.example')
    await assert.rejects(authority.issue(spiffeId), { code })
  })
}

test('does not create an authority for an invalid trust domain', async () => {
  await assert.rejects(createAuthority('Saas.example'), { code: 'bad_trust_domain_char' })
})

function nameOf(authority: Authority): string {
  return new X509Certificate(authority.certificateDer).subject
}

/** The verdict of each end of a handshake on the other's certificate, by OpenSSL. */
async function shakeHands(server: TestSvid, client: TestSvid, ca: string) {
  const listener = createServer({
    key: server.keyPem,
    cert: server.certificatePem,
    ca,
    requestCert: true,
    rejectUnauthorized: false,
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  assert.ok(address !== null && typeof address === 'object')
  const accepted = once(listener, 'secureConnection')
  const socket = connect({
    port: address.port,
    host: '127.0.0.1',
    key: client.keyPem,
    cert: client.certificatePem,
    ca,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  })
  try {
    await once(socket, 'secureConnect')
    const connections: unknown[] = await accepted
    const peer = connections[0]
    assert.ok(peer instanceof TLSSocket)
    const verdicts = { server: verdictOf(socket), client: verdictOf(peer) }
    peer.destroy()
    return verdicts
  } finally {
    socket.destroy()
    listener.close()
  }
}

function verdictOf(socket: TLSSocket): 'accepted' | 'refused' {
  return socket.authorized ? 'accepted' : 'refused'
}
