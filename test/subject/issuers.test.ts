import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { Agent, createServer, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, describe, test } from 'node:test'
import { TLSSocket } from 'node:tls'
import type { IncomingMessage } from 'node:http'
import {
  authenticated,
  channels,
  commonName,
  type CountersignEvent,
  createGuard,
  dnsName,
  fileSource,
  type SubjectIdentity,
  type SubjectSource,
} from '@countersign/core'
import { isDenial } from '@countersign/core/adapter'
import { createFetch } from '@countersign/client'
import { type Running, serve } from '@countersign/testkit'
import { createReplaceableSubjectSource } from '../../packages/spiffe/src/source/replaceable-source.ts'
import { refusal } from '../adapters/refusal.ts'
import { type Issued, Issuers, type Profile, pss } from './issuers.ts'
import { admitNow } from '../support/admit-now.ts'

const skip = spawnSync('openssl', ['version']).status === 0 ? false : 'no openssl on the PATH'

const coreApi = '/O=Example/CN=core-api'

/** What issuers write by default, or with their template for clients. */
const accepted: readonly (readonly [what: string, profile: Profile])[] = [
  ['step-ca, its default', { by: 'step_root', section: 'step_leaf', key: 'ec', subject: '/CN=core-api' }],
  ['step-ca, a template for clients', { by: 'step_root', section: 'step_client', key: 'ed25519', subject: coreApi }],
  ['Vault, client_flag alone', { by: 'vault_root', section: 'vault_client', key: 'rsa', subject: '/CN=core-api' }],
  ['easy-rsa, client', { by: 'easyrsa_ca', section: 'easyrsa_client', key: 'rsa', subject: '/CN=core-api' }],
  [
    'AWS Private CA, EndEntityClientAuthCertificate',
    { by: 'aws_root', section: 'aws_client', key: 'ec', subject: coreApi },
  ],
  ['AWS Private CA, EndEntityCertificate', { by: 'aws_root', section: 'aws_end_entity', key: 'rsa', subject: coreApi }],
  [
    "usr_cert of Debian's openssl.cnf",
    { by: 'debian_v3_ca', section: 'debian_usr_cert', key: 'rsa', subject: coreApi },
  ],
  ["v3_req of Debian's openssl.cnf", { by: 'debian_v3_ca', section: 'debian_v3_req', key: 'rsa', subject: coreApi }],
  [
    'usr_cert of guides to an OpenSSL CA',
    { by: 'debian_v3_ca', section: 'guide_usr_cert', key: 'rsa', subject: coreApi },
  ],
  [
    'cert-manager, usage client auth',
    { by: 'cert_manager_ca', section: 'cert_manager_client', key: 'ec', subject: coreApi },
  ],
  [
    'CFSSL, a profile for clients',
    { by: 'cfssl_ca', section: 'cfssl_client', key: 'ec', subject: '/C=US/O=Example/CN=core-api' },
  ],
  [
    'AD CS, workstation authentication',
    { by: 'adcs_ca', section: 'adcs_workstation', key: 'rsa', subject: '/DC=example/DC=corp/OU=Servers/CN=core-api' },
  ],
  ['a signature by RSASSA-PSS', { by: 'aws_root', section: 'aws_client', key: 'rsa', subject: coreApi, options: pss }],
  ['cRLSign with digitalSignature', { by: 'aws_root', section: 'with_crl_sign', key: 'ec', subject: coreApi }],
  [
    'critical extended key usage and basicConstraints',
    { by: 'aws_root', section: 'critical_usages', key: 'ec', subject: coreApi },
  ],
  [
    'anyExtendedKeyUsage with clientAuth',
    { by: 'aws_root', section: 'any_beside_client', key: 'ec', subject: coreApi },
  ],
  ['no usage at all', { by: 'vault_root', section: 'name_alone', key: 'ec', subject: coreApi }],
]

/** Properties that RFC 5280 and TLS forbid for a client's certificate from any issuer. */
const refused: readonly (readonly [what: string, section: string])[] = [
  ['serverAuth alone', 'server_alone'],
  ['anyExtendedKeyUsage alone', 'any_alone'],
  ['emailProtection alone', 'email_alone'],
  ['a key usage without digitalSignature', 'no_signature'],
  ['keyCertSign', 'cert_sign'],
  ['a CA', 'is_ca'],
  ['an unknown critical extension', 'unknown_critical'],
]

describe('certificates of a CA without SPIFFE as common products issue them', { skip, timeout: 120_000 }, async () => {
  if (skip !== false) return
  const folder = mkdtempSync(join(tmpdir(), 'countersign-issuers-'))
  after(() => rmSync(folder, { recursive: true, force: true }))
  const issuers = await Issuers.create(folder)
  const open = async (profile: Profile): Promise<SubjectSource> =>
    fileSource({ ...(await issuers.issue(profile)), ca: [...issuers.roots] })
  // A server's certificate need not be valid for a client.
  const source = await open({ by: 'aws_root', section: 'server_alone', key: 'ec', subject: '/CN=billing' })
  after(() => source.close())
  const rules = [{ path: '/**', allow: authenticated() }]
  const start = async (identity: SubjectIdentity): Promise<Running> => {
    const guard = createGuard({ source, identity, rules, log: () => undefined })
    const running = await serve(guard, (incoming, response) => {
      const verdict = admitNow(guard, incoming)
      response.end(isDenial(verdict) ? verdict.reason : verdict.name)
    })
    after(() => running.close())
    return running
  }
  const byCommonName = await start(commonName({ authorities: { 'core-api': [] } }))
  const byDnsName = await start(dnsName({ authorities: { 'core-api.internal': [] } }))
  const call = async ({ port }: Running, { key, cert }: Issued): Promise<string> => {
    const agent = new Agent({ key: readFileSync(key), cert: readFileSync(cert), rejectUnauthorized: false })
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      request({ host: '127.0.0.1', port, agent }).on('response', resolve).on('error', reject).end()
    })
    agent.destroy()
    return text(response)
  }

  for (const [what, profile] of accepted) {
    test(`accepts a caller: ${what}`, async () => {
      const issued = await issuers.issue(profile)
      assert.equal(await call(byCommonName, issued), 'core-api')
      assert.equal(await call(byDnsName, issued), 'core-api.internal')
    })
  }

  test('accepts a caller without a subject by its DNS name, the default of cert-manager', async () => {
    const by = 'cert_manager_ca'
    const issued = await issuers.issue({ by, section: 'cert_manager_default', key: 'ec', subject: '/' })
    assert.equal(await call(byDnsName, issued), 'core-api.internal')
    await assert.rejects(call(byCommonName, issued))
  })

  for (const [what, section] of refused) {
    test(`refuses a caller: ${what}`, async (context) => {
      const refusals: unknown[] = []
      // The log counts repetitions; the channel has each refusal.
      const note = (event: unknown): void => void refusals.push(event)
      const issued = await issuers.issue({ by: 'aws_root', section, key: 'rsa', subject: coreApi })
      subscribe(channels.authentication, note)
      context.after(() => unsubscribe(channels.authentication, note))
      await assert.rejects(call(byCommonName, issued))
      assert.equal(refusals.length, 1)
    })
  }

  test('a service with a client-only certificate calls others, and does not start as a server', async () => {
    const client = await open({ by: 'aws_root', section: 'aws_client', key: 'ec', subject: coreApi })
    after(() => client.close())
    const identity = commonName({ authorities: { 'core-api': [] } })
    assert.throws(() => createGuard({ source: client, identity, rules }), refusal('option_invalid', /serverAuth/))

    const issued = await issuers.issue({ by: 'aws_root', section: 'server_localhost', key: 'ec', subject: '/CN=x' })
    const ca = issuers.roots.map((path) => readFileSync(path, 'utf8'))
    const own = { key: readFileSync(issued.key), cert: readFileSync(issued.cert) }
    const server = createServer({ ...own, ca, requestCert: true }, ({ socket }, response) => {
      assert.ok(socket instanceof TLSSocket)
      response.end(socket.getPeerCertificate().subject.CN)
    })
    server.listen(0, 'localhost')
    await once(server, 'listening')
    after(() => server.close())
    const address = server.address()
    assert.ok(typeof address === 'object' && address !== null)
    await using fetch = createFetch(client, { servers: { dns: true, ca } })
    assert.equal(await (await fetch(`https://localhost:${address.port}/`)).text(), 'core-api')
  })

  test('a client-only certificate does not replace that of a running server', async () => {
    const forServers = { by: 'aws_root', section: 'server_alone', key: 'ec', subject: '/CN=billing' } as const
    const [first, second] = [await open(forServers), await open({ ...forServers, section: 'aws_client' })]
    after(() => Promise.all([first.close(), second.close()]))
    const offered = createReplaceableSubjectSource(first.current)
    const identity = commonName({ authorities: { 'core-api': [] } })
    const seen: CountersignEvent[] = []
    const guard = createGuard({ source: offered, identity, rules, log: (event) => void seen.push(event) })
    const server = createServer(guard.tlsOptions())
    guard.attach(server)
    offered.replace(second.current)
    server.emit('close')
    assert.deepEqual(
      seen.map((event) => (event.type === 'source' ? [event.outcome, event.code] : event.type)),
      [['refused', 'update_refused']],
    )
  })
})
