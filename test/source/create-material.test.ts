import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import {
  CertificateError,
  type CertificateErrorCode,
  createMaterial,
  type MaterialInput,
  SpiffeIdError,
  X509Bundle,
} from '@countersign/core'
import { createAuthority, createKey } from '@countersign/testkit'
import { issueMany } from '../trust/many-authorities.ts'

const spiffeId = 'spiffe://saas.example/ns/production/sa/core-api'
const authority = await createAuthority('saas.example')
const svid = await authority.issue(spiffeId)
const good: MaterialInput = {
  key: svid.keyPem,
  cert: svid.certificatePem,
  bundles: { 'saas.example': authority.bundlePem },
}

/** Rejected with this code and, for a verdict on our own SVID, with this reason. */
function refuses(changed: Partial<MaterialInput>, code: CertificateErrorCode, reason?: string): void {
  assert.throws(
    () => createMaterial({ ...good, ...changed }),
    (error) =>
      error instanceof CertificateError && error.code === code && (reason === undefined || error.value === reason),
    `${code} ${reason}`,
  )
}

test('returns the SVID with its expiry and key, and the bundles', () => {
  const { svid: own, bundles } = createMaterial(good)
  assert.equal(own.spiffeId.toString(), spiffeId)
  assert.equal(own.serialNumber, svid.serialNumber)
  assert.equal(own.expiresAt, svid.expiresAt + 1000)
  assert.equal(own.certificatePem.replaceAll(/\s/g, ''), svid.certificatePem.replaceAll(/\s/g, ''))
  assert.equal(createPrivateKey(own.exportPrivateKey()).equals(createPrivateKey(svid.keyPem)), true)
  assert.deepEqual([...bundles.keys()], ['saas.example'])
})

test('reads key, chain and bundles from PEM bytes and from DER', async () => {
  const lower = await authority.intermediate()
  const below = await lower.issue(spiffeId)
  const key = createPrivateKey(below.keyPem)
  const inputs: readonly MaterialInput[] = [
    { key: Buffer.from(below.keyPem), cert: Buffer.from(below.certificatePem), bundles: good.bundles },
    {
      key: key.export({ type: 'pkcs8', format: 'der' }),
      cert: Buffer.concat(below.certificates),
      bundles: { 'saas.example': authority.certificateDer },
    },
    { key: key.export({ type: 'sec1', format: 'pem' }), cert: below.certificatePem, bundles: good.bundles },
  ]
  for (const input of inputs) assert.equal(createMaterial(input).svid.serialNumber, below.serialNumber)
})

test('never shows the private key in a log', () => {
  const material = createMaterial(good)
  const [, firstLine = ''] = svid.keyPem.split('\n')
  for (const text of [JSON.stringify(material), inspect(material, { depth: 9, showHidden: true })]) {
    assert.equal(text.includes('PRIVATE KEY'), false)
    assert.equal(text.includes(firstLine), false)
  }
})

test('rejects a key that belongs to another certificate', async () => {
  refuses({ key: (await createKey()).pem }, 'key_mismatch')
  refuses({ key: authority.keyPem }, 'key_mismatch')
})

test('rejects a key of a certificate that is not first in the chain', async () => {
  const lower = await authority.intermediate()
  const below = await lower.issue(spiffeId)
  refuses({ cert: below.certificatePem, key: lower.keyPem }, 'key_mismatch')
})

test('rejects an encrypted key, a public key and input that is not a key', () => {
  const key = createPrivateKey(svid.keyPem)
  const locked = { type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' } as const
  refuses({ key: key.export({ ...locked, format: 'pem' }) }, 'passphrase_missing')
  refuses({ key: key.export({ ...locked, format: 'der' }) }, 'passphrase_missing')
  const inputs = [key.export({ type: 'sec1', format: 'der' }), svid.certificatePem, 'no key', '']
  for (const input of inputs) refuses({ key: input }, 'key_malformed')
})

test('never includes a rejected key in the error', () => {
  const broken = svid.keyPem.replace('-----END', 'A-----END')
  assert.throws(
    () => createMaterial({ ...good, key: broken.slice(0, -30) }),
    (error) => error instanceof CertificateError && !inspect(error, { depth: 9 }).includes(broken.split('\n')[1] ?? ''),
  )
})

test('rejects a chain without certificates', () => {
  assert.throws(
    () => createMaterial({ ...good, cert: svid.keyPem }),
    (error) => error instanceof CertificateError && error.code === 'certificate_missing',
  )
})

test('rejects an own SVID that its own bundle does not support', async () => {
  const partner = await createAuthority('partner.example')
  const next = await createAuthority('saas.example', { name: 'next' })
  refuses({ bundles: {} }, 'svid_unusable', 'trust_domain_unknown')
  refuses({ bundles: { 'partner.example': partner.bundlePem } }, 'svid_unusable', 'trust_domain_unknown')
  refuses({ bundles: { 'partner.example': authority.bundlePem } }, 'svid_unusable', 'trust_domain_unknown')
  refuses({ bundles: { 'saas.example': next.bundlePem } }, 'svid_unusable', 'unknown_authority')
})

test('rejects an own SVID outside its validity, by the clock or by the given time', async () => {
  const expired = await authority.issue(spiffeId, { faults: ['expired'] })
  const early = await authority.issue(spiffeId, { faults: ['not_yet_valid'] })
  refuses({ key: expired.keyPem, cert: expired.certificatePem }, 'svid_unusable', 'expired')
  refuses({ key: early.keyPem, cert: early.certificatePem }, 'svid_unusable', 'not_yet_valid')
  assert.equal(createMaterial(good, svid.expiresAt + 999).svid.serialNumber, svid.serialNumber)
  assert.throws(() => createMaterial(good, svid.expiresAt + 1000), CertificateError)
})

test('rejects an own SVID that no peer would accept', async () => {
  for (const [fault, reason] of [
    ['no_path', 'spiffe_id_without_path'],
    ['two_uri_sans', 'several_uri_sans'],
    ['client_auth_only', 'extended_key_usage_incomplete'],
    ['ca_leaf', 'leaf_is_ca'],
  ] as const) {
    const faulty = await authority.issue(spiffeId, { faults: [fault] })
    refuses({ key: faulty.keyPem, cert: faulty.certificatePem }, 'svid_unusable', reason)
  }
})

test('rejects an own SVID whose issuer may not issue servers', async () => {
  const clients = await authority.intermediate({ extendedKeyUsages: ['clientAuth'] })
  const below = await clients.issue(spiffeId)
  refuses({ key: below.keyPem, cert: below.certificatePem }, 'svid_unusable', 'wrong_extended_key_usage')
})

test('rejects a bundle whose authority is not self-signed, unless it also contains the issuer', async () => {
  const lower = await authority.intermediate()
  const below = await lower.issue(spiffeId)
  const own = { key: below.keyPem, cert: below.certificatePem }
  refuses({ ...own, bundles: { 'saas.example': lower.certificatePem } }, 'authority_unusable')
  const bundles = { 'saas.example': lower.certificatePem + authority.bundlePem }
  assert.equal(createMaterial({ ...own, bundles }).bundles.get('saas.example')?.authorities.length, 2)
})

const { key } = authority
const many = Buffer.concat(issueMany(257))
const longNames = await Promise.all(
  Array.from({ length: 25 }, async (_, index) => {
    const { bundlePem } = await createAuthority('partner.example', { key, name: `${index}`.padEnd(2000, '.') })
    return bundlePem
  }),
)
const weak = await createAuthority('partner.example', { faults: ['weak_key'] })
const notCa = await createAuthority('partner.example', { faults: ['not_a_ca'] })
const intermediate = await authority.intermediate()

// A bundle that authenticates no caller, its trust domain, and how it is reported.
const useless: readonly (readonly [what: string, bundle: string | Uint8Array, code: CertificateErrorCode])[] = [
  ['is empty', '', 'bundle_empty'],
  ['is unrelated text', 'no bundle', 'bundle_empty'],
  ['is half a certificate', authority.certificateDer.subarray(0, -1), 'certificate_malformed'],
  ['is unrelated JSON', '{"keys":0}', 'bundle_malformed'],
  ['contains 257 authorities', many, 'bundle_too_large'],
  ['contains names of more than 48 KiB', longNames.join(''), 'bundle_too_large'],
  ['contains only a weak authority', weak.bundlePem, 'authority_unusable'],
  ['contains only a certificate that is not a CA', notCa.bundlePem, 'authority_unusable'],
  ['contains only an intermediate', intermediate.certificatePem, 'authority_unusable'],
]

for (const [what, bundle, code] of useless) {
  test(`starts with a partner bundle that ${what}, which authenticates no caller and reports why`, () => {
    const { bundles } = createMaterial({ ...good, bundles: { 'partner.example': bundle, ...good.bundles } })
    assert.equal(bundles.get('saas.example')?.authorities.length, 1)
    assert.deepEqual(bundles.get('saas.example')?.faults, [])
    const partner = bundles.get('partner.example')
    assert.deepEqual(partner?.authorities, [])
    assert.deepEqual(
      partner.faults.map((fault) => [fault.trustDomain, fault.code]),
      [['partner.example', code]],
    )
  })

  test(`rejects a bundle of our own that ${what}`, () => {
    refuses({ bundles: { 'saas.example': bundle } }, code)
  })
}

test('reports with a rejected own SVID what was left out of our own bundle', () => {
  const young = { ...good, bundles: { 'saas.example': weak.bundlePem + intermediate.certificatePem + notCa.bundlePem } }
  assert.throws(() => createMaterial(young), { code: 'authority_unusable', message: /weak or unsupported key/ })
})

test('accepts our own bundle without an unusable authority', async () => {
  const other = await createAuthority('saas.example', { faults: ['weak_key'] })
  const { bundles } = createMaterial({ ...good, bundles: { 'saas.example': other.bundlePem + authority.bundlePem } })
  const bundle = bundles.get('saas.example')
  assert.deepEqual([bundle?.authorities.length, bundle?.faults.length], [1, 1])
  const next = await createAuthority('saas.example')
  assert.throws(() => createMaterial({ ...good, bundles: { 'saas.example': other.bundlePem + next.bundlePem } }), {
    code: 'svid_unusable',
    message: /left out of the bundle of saas\.example: .*weak or unsupported key/,
  })
})

test('accepts a bundle of earlier material as it is, and only under its own name', () => {
  const bundle = X509Bundle.parse('saas.example', authority.bundlePem)
  assert.equal(createMaterial({ ...good, bundles: { 'saas.example': bundle } }).bundles.get('saas.example'), bundle)
  refuses({ bundles: { 'saas.example': bundle, 'partner.example': bundle } }, 'authority_unusable')
})

test('rejects a bundle under a name that is not a plain trust domain name', () => {
  refuses({ bundles: { 'spiffe://saas.example': authority.bundlePem } }, 'authority_unusable')
  assert.throws(
    () => createMaterial({ ...good, bundles: { 'SAAS.example': authority.bundlePem } }),
    (error) => error instanceof SpiffeIdError && error.code === 'bad_trust_domain_char',
  )
})
