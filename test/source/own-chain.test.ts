import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { describe, test, type TestContext } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { CertificateError, createMaterial } from '@countersign/core'
import {
  type Authority,
  type AuthorityOptions,
  createAuthority,
  createKey,
  type ExtraExtension,
  type IssueOptions,
  type TestSvid,
} from '@countersign/testkit'
import { generalName, hex, name, sequence, tlv } from '../certificate/encode.ts'

const billing = 'spiffe://saas.example/ns/production/sa/billing'
const rootName = 'saas.example X.509 authority'

/** The files of a workload: its SVID and the bundle of its trust domain. */
interface Given {
  readonly svid: TestSvid
  readonly bundle: string
}

/** An authority key identifier with these fields (RFC 5280 §4.2.1.1), instead of the testkit's. */
function identifiedBy(...fields: readonly Buffer[]): { keyIdentifiers: false; extensions: readonly ExtraExtension[] } {
  return { keyIdentifiers: false, extensions: [{ oid: '2.5.29.35', value: sequence(...fields) }] }
}

const root = await createAuthority('saas.example')
const previous = await createAuthority('saas.example')
const renewed = await createAuthority('saas.example', { key: root.key })
const keyOf = ({ key }: Authority): Buffer => tlv(0x80, hex(key.keyId))
const serialOf = ({ certificateDer }: Authority): Buffer =>
  tlv(0x82, hex(new X509Certificate(certificateDer).serialNumber))
const issuerName = tlv(0xa1, generalName.directory(name('C=US', 'O=Countersign Testkit', `CN=${rootName}`)))

async function issue(options: IssueOptions, by: Authority = root): Promise<Given> {
  return { svid: await by.issue(billing, options), bundle: by.bundlePem }
}

async function below(options: AuthorityOptions, authority: Authority = root): Promise<Given> {
  return issue({}, await authority.intermediate(options))
}

async function crossSigned(): Promise<Authority> {
  return previous.crossSign(await createAuthority('saas.example', { key: await createKey() }))
}

/** By the peculiarity of a chain: whether a peer that verifies with OpenSSL accepts it, and our reason if not. */
const chains: Readonly<Record<string, readonly [given: () => Promise<Given>, reason?: string]>> = {
  'is below an authority': [() => issue({})],
  'is below an intermediate': [() => below({})],
  'has no key identifiers': [() => issue({ keyIdentifiers: false })],
  'names the key, name and serial number of its authority': [
    () => issue(identifiedBy(keyOf(root), issuerName, serialOf(root))),
  ],
  'names the key of the previous authority': [() => issue(identifiedBy(keyOf(previous))), 'key_identifier_mismatch'],
  'names the serial number that its authority had before it was renewed': [
    () => issue(identifiedBy(keyOf(root), issuerName, serialOf(root)), renewed),
    'key_identifier_mismatch',
  ],
  'has an intermediate that names the key of the previous authority': [
    () => below(identifiedBy(keyOf(previous))),
    'key_identifier_mismatch',
  ],
  'has an intermediate with the name of its authority': [() => below({ name: rootName })],
  'has an intermediate with the name of its authority and without a key identifier of it': [
    () => below({ name: rootName, keyIdentifiers: false }),
    'openssl_refuses',
  ],
  'has an intermediate with that name whose authority has another type of key': [
    async () =>
      below({ name: rootName, keyIdentifiers: false }, await createAuthority('saas.example', { keyType: 'RSA-2048' })),
  ],
  'has an intermediate for servers and clients': [() => below({ extendedKeyUsages: ['serverAuth', 'clientAuth'] })],
  'has an intermediate with anyExtendedKeyUsage': [
    () => below({ extendedKeyUsages: ['anyExtendedKeyUsage'] }),
    'openssl_refuses',
  ],
  'has an authority with anyExtendedKeyUsage': [
    async () => issue({}, await createAuthority('saas.example', { extendedKeyUsages: ['anyExtendedKeyUsage'] })),
    'openssl_refuses',
  ],
  'ends in an authority issued by another with its name': [
    async () => {
      const authority = await crossSigned()
      return { svid: withoutIntermediates(await authority.issue(billing)), bundle: authority.certificatePem }
    },
    'authority_unusable',
  ],
  'ends in such an authority, including its own': [
    async () => {
      const authority = await crossSigned()
      const svid = withoutIntermediates(await authority.issue(billing))
      return { svid, bundle: authority.certificatePem + previous.bundlePem }
    },
  ],
}

test('leaves out an authority whose issuers in the bundle lead nowhere', async () => {
  const [lost, kept] = [await root.intermediate({ name: 'lost' }), await previous.intermediate({ name: 'kept' })]
  const [belowLost, belowKept] = [await lost.intermediate({ name: 'x' }), await kept.intermediate({ name: 'y' })]
  const svid = await belowKept.issue(billing)
  const authorities = [belowLost, lost, belowKept, kept, previous]
  const { bundles } = createMaterial({
    key: svid.keyPem,
    cert: svid.certificatePem,
    bundles: { 'saas.example': authorities.map(({ certificatePem }) => certificatePem).join('') },
  })
  const found = bundles.get('saas.example')?.authorities.map(({ subject }) => subject.commonNames[0])
  assert.deepEqual(found, ['y', 'kept', rootName])
})

function withoutIntermediates(svid: TestSvid): TestSvid {
  const [leaf = ''] = svid.certificatePem.split(/(?<=-----END CERTIFICATE-----\n)/)
  return { ...svid, certificatePem: leaf }
}

describe('our own chain starts a service if peers that verify with OpenSSL accept it:', () => {
  for (const [what, [given, reason]] of Object.entries(chains)) {
    test(`one that ${what} is ${reason === undefined ? 'accepted' : 'refused'}`, async (context) => {
      const { svid, bundle } = await given()
      assert.equal(await isAcceptedByPeers(context, svid, bundle), reason === undefined)
      const create = (): unknown =>
        createMaterial({ key: svid.keyPem, cert: svid.certificatePem, bundles: { 'saas.example': bundle } })
      if (reason === undefined) create()
      else
        assert.throws(
          create,
          (error) => error instanceof CertificateError && [error.code, error.value].includes(reason),
        )
    })
  }
})

test('refuses an update to a chain that such peers reject, and keeps the last one', async () => {
  const source = await root.source(billing)
  const { svid } = source
  const stray = await root.issue(billing, identifiedBy(keyOf(previous)))
  assert.throws(() => source.replace({ svid: stray }), CertificateError)
  assert.equal(source.current.svid.serialNumber, svid.serialNumber)
})

for (const keyIdentifiers of [true, false]) {
  test(`presents the certificates of the bundle between ours and a self-signed authority, ${keyIdentifiers ? 'with' : 'without'} key identifiers`, async () => {
    const upper = await root.intermediate({ name: 'upper', keyIdentifiers })
    const lower = await upper.intermediate({ name: 'lower', keyIdentifiers })
    const svid = await lower.issue(billing, { keyIdentifiers })
    const { keyPem: key } = svid
    const bundle = `${root.bundlePem}${upper.certificatePem}${lower.certificatePem}`
    for (const cert of [svid.certificatePem, withoutIntermediates(svid).certificatePem]) {
      const { certificatePem } = createMaterial({ key, cert, bundles: { 'saas.example': bundle } }).svid
      assert.equal(certificatePem.replaceAll(/\s/g, ''), svid.certificatePem.replaceAll(/\s/g, ''))
    }
  })
}

test('presents authorities that certify each other once each', async () => {
  const upper = await root.intermediate({ name: 'upper' })
  const lower = await upper.intermediate({ name: 'lower' })
  const svid = withoutIntermediates(await lower.issue(billing))
  const authorities = [await lower.crossSign(upper), lower, upper, root]
  const bundle = authorities.map(({ certificatePem }) => certificatePem).join('')
  const { certificatePem } = createMaterial({
    key: svid.keyPem,
    cert: svid.certificatePem,
    bundles: { 'saas.example': bundle },
  }).svid
  assert.equal(certificatePem.split('-----BEGIN').length - 1, 3)
})

/** OpenSSL's verdicts at both ends of a connection that both present this certificate on. */
async function isAcceptedByPeers(context: TestContext, svid: TestSvid, bundle: string): Promise<boolean> {
  const options = { key: svid.keyPem, cert: svid.certificatePem, ca: bundle, rejectUnauthorized: false }
  const server = createServer({ ...options, requestCert: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const accepted = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve))
  const client = connect({ ...options, host: '127.0.0.1', port: address.port, checkServerIdentity: () => undefined })
  context.after(() => {
    client.destroy()
    server.close()
  })
  await once(client, 'secureConnect')
  const { authorized } = await accepted
  assert.equal(client.authorized, authorized)
  return authorized
}
