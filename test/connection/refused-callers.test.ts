import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { connect } from 'node:tls'
import { type AuthenticationEvent, staticSource } from '@countersign/core'
import { createAuthority, type SvidFault } from '@countersign/testkit'
import { billing, coreApi, type Service, start, variants } from '../adapters/frameworks.ts'
import { extension, generalName, sequence, subjectAlternativeName, time, tlv } from '../certificate/encode.ts'
import { type Entity, entity, type Issue, issueAuthority, issueLeaf } from '../certificate/issue.ts'
import { toPem } from '../../packages/spiffe/src/certificate/pem.ts'
import { isOpensslAsked } from '../support/openssl-asked.ts'
import { serveGuarded } from './bare-tls.ts'

// With one trust domain OpenSSL rejects these first. The log must still say what is wrong, and not that an authority in
// the bundle is missing.

const authority = await createAuthority('saas.example')
const source = await authority.source(billing)

const faults: readonly (readonly [fault: SvidFault, reason: string, detail: RegExp])[] = [
  ['two_uri_sans', 'several_uri_sans', /2 URI SANs/],
  ['no_path', 'spiffe_id_without_path', /path/],
  ['foreign_trust_domain', 'trust_domain_unknown', /foreign\.example/],
  ['ca_leaf', 'leaf_is_ca', /cA true/],
  ['no_digital_signature', 'digital_signature_missing', /digitalSignature/],
  ['server_auth_only', 'extended_key_usage_incomplete', /clientAuth/],
  ['expired', 'expired', /expired at/],
  ['not_yet_valid', 'not_yet_valid', /valid from/],
  ['unknown_critical_extension', 'unknown_critical_extension', /1\.3\.6\.1\.4\.1\.99999\.1/],
  ['duplicate_extension', 'certificate_malformed', /1\.3\.6\.1\.4\.1\.99999\.2 twice/],
  ['bad_signature', 'signature_invalid', /not made by the key/],
  ['self_signed', 'unknown_authority', /self-signed/],
]

for (const variant of variants) {
  test(`reports what is wrong with each faulty SVID, once (${variant.name})`, async () => {
    await using service = await start(variant, { source })
    for (const [fault, reason, detail] of faults) {
      const before = service.events.filter(isAuthentication).length
      await assert.rejects(service.as(await authority.issue(coreApi, { faults: [fault] })).fetch('/internal/health'))
      await expectRefusals(service, before + 1)
      expect(service.events.at(-1), reason, detail)
    }
    assert.deepEqual(service.handled, [])
    // No listener of the server receives peers that OpenSSL rejected.
    if (isOpensslAsked) assert.ok(!service.authorized.includes(false))
  })
}

test('reports that a caller has no certificate', async (context) => {
  const guarded = await serveGuarded(context, { source })
  await assert.rejects(guarded.as(null).fetch('/internal/health'))
  await expectRefusals(guarded, 1)
  expect(guarded.events.at(-1), 'certificate_missing', /no certificate/)
})

test('names the SPIFFE ID that a refused caller claims', async (context) => {
  const guarded = await serveGuarded(context, { source })
  const stranger = await createAuthority('saas.example', { name: 'stranger' })
  await assert.rejects(guarded.as(await stranger.issue(coreApi)).fetch('/internal/health'))
  await expectRefusals(guarded, 1)
  const event = guarded.events.at(-1)
  assert.ok(event?.type === 'authentication')
  assert.deepEqual([event.reason, event.spiffeId], ['unknown_authority', coreApi])
})

test('reports that an intermediate may be missing, and accepts the caller when it sends it', async (context) => {
  const guarded = await serveGuarded(context, { source })
  const svid = await (await authority.intermediate({ name: 'lower' })).issue(coreApi)
  const [leaf] = svid.certificatePem.match(/-----BEGIN[^]*?END CERTIFICATE-----\n/g) ?? []
  assert.ok(leaf !== undefined)
  await assert.rejects(guarded.as({ ...svid, certificatePem: leaf }).fetch('/internal/health'))
  await expectRefusals(guarded, 1)
  expect(guarded.events.at(-1), 'unknown_authority', /lower.*the chain is incomplete, or its authority is not trusted/)
  assert.equal((await guarded.as(svid).fetch('/internal/health')).status, 200)
})

test('reports why an authority was left out of the bundle', async (context) => {
  const weak = await createAuthority('saas.example', { name: 'weak', faults: ['weak_key'] })
  const bundles = { 'saas.example': `${authority.bundlePem}${weak.bundlePem}` }
  const { keyPem: key, certificatePem: cert } = await authority.issue(billing)
  const guarded = await serveGuarded(context, { source: staticSource({ key, cert, bundles }) })
  await assert.rejects(guarded.as(await weak.issue(coreApi)).fetch('/internal/health'))
  await expectRefusals(guarded, 1)
  expect(guarded.events.at(-1), 'unknown_authority', /left out of the bundle of saas\.example: .*weak/)
})

// Certificates that the testkit cannot create.
const root = entity('root', 'P-256', 0)
const caller = entity('caller', 'P-256', 1)
const dates = { notBefore: time(Date.now() - 60_000), notAfter: time(Date.now() + 3_600_000) }
const names = subjectAlternativeName(generalName.uri(coreApi))
const odd: readonly (readonly [what: string, extensions: Issue['extensions'], reason: string, detail: RegExp])[] = [
  ['subjectKeyIdentifier twice', { one: keyId('01'), two: keyId('02') }, 'certificate_malformed', /2\.5\.29\.14 twice/],
  [
    'a key usage without a bit',
    { keyUsage: extension('2.5.29.15', tlv(3, Buffer.of(0, 0)), true) },
    'certificate_malformed',
    /no bit set/,
  ],
  [
    'an authority key identifier of an older root',
    { akid: extension('2.5.29.35', sequence(tlv(0x80, Buffer.of(9)))) },
    'key_identifier_mismatch',
    /authority key identifier/,
  ],
  [
    'an unknown critical extension',
    { odd: extension('1.2.3.4.5.6', Buffer.of(5, 0), true) },
    'unknown_critical_extension',
    /1\.2\.3\.4\.5\.6/,
  ],
]

for (const [what, extensions, reason, detail] of odd) {
  test(`reports what is wrong with a caller's certificate: ${what}`, async (context) => {
    const service = await serveOdd(context)
    await callWith(
      service,
      issueLeaf(caller, { by: root, fields: dates, extensions: { names, ...extensions } }),
      caller,
    )
    await expectRefusals(service, 1)
    expect(service.events.at(-1), reason, detail)
  })
}

test('accepts the caller whose certificate has no fault', async (context) => {
  const service = await serveOdd(context)
  const der = issueLeaf(caller, { by: root, fields: dates, extensions: { names } })
  assert.match(await callWith(service, der, caller), /^HTTP\/1\.1 200/)
})

async function serveOdd(context: TestContext): Promise<Service> {
  const own = entity('own', 'P-256', 2)
  const authorities = issueAuthority(root, { fields: dates, extensions: { subjectKeyId: keyId('01') } })
  const extensions = { names: subjectAlternativeName(generalName.uri(billing)) }
  const key = own.keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const cert = toPem({ der: issueLeaf(own, { by: root, fields: dates, extensions }) })
  return serveGuarded(context, {
    source: staticSource({ key, cert, bundles: { 'saas.example': toPem({ der: authorities }) } }),
  })
}

/** The response to a caller with this certificate. */
async function callWith({ running }: Service, der: Buffer, { keys }: Entity): Promise<string> {
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
  const options = { host: '127.0.0.1', port: running.port, key, cert: toPem({ der }), rejectUnauthorized: false }
  const socket = connect(options)
  let answer = ''
  socket.on('data', (data: Buffer) => (answer += data.toString('latin1'))).on('error', () => undefined)
  socket.write('GET /internal/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await once(socket, 'close')
  return answer
}

function keyId(id: string): Buffer {
  return extension('2.5.29.14', tlv(0x04, Buffer.from(id, 'hex')))
}

/** Waits until the server has reported exactly this many. */
async function expectRefusals({ events }: Service, count: number): Promise<void> {
  const refusals = (): number => events.filter(isAuthentication).length
  while (refusals() < count) await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(refusals(), count)
}

function expect(event: Service['events'][number] | undefined, reason: string, detail: RegExp): void {
  assert.ok(isAuthentication(event))
  assert.equal(event.reason, reason, event.detail)
  assert.match(event.detail ?? '', detail)
}

function isAuthentication(event: Service['events'][number] | undefined): event is AuthenticationEvent {
  return event?.type === 'authentication'
}
