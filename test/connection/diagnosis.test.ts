import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { type CountersignEvent, createMaterial } from '@countersign/core'
import { createAuthority, type TestSvid } from '@countersign/testkit'
import type { TrustState } from '../../packages/core/src/connection/material-gate.ts'
import { PeerConnections } from '../../packages/core/src/connection/peer-connections.ts'
import { readCallerChain } from '../../packages/core/src/connection/read-chain.ts'
import { TimeBudget } from '../../packages/core/src/connection/time-budget.ts'
import { VerdictCache } from '../../packages/core/src/connection/verdict-cache.ts'
import { verifyPeer } from '../../packages/core/src/connection/verify-peer.ts'
import { createSvidTrust } from '../../packages/spiffe/src/svid/svid-trust.ts'
import { billing, coreApi } from '../adapters/frameworks.ts'
import { bundlesOf } from '../svid/claims.ts'

// An internal file, because it is not visible from outside which of two verdicts is used.

const authority = await createAuthority('saas.example')
const own = await authority.issue(billing)
const good = await authority.issue(coreApi)
const expired = await authority.issue(coreApi, { faults: ['expired'] })
const stranger = await (await createAuthority('saas.example', { name: 'stranger' })).issue(coreApi)

test('refuses a caller that OpenSSL rejects, even if our verifier finds no fault', async (context) => {
  const socket = await meet(context, good, [])
  const verdict = judge(socket, { openssl: 'required', diagnosis: new TimeBudget() })
  assert.equal(verdict.ok ? '' : verdict.reason, 'tls_refused')
  assert.match(verdict.ok ? '' : verdict.detail, /^UNABLE_TO_VERIFY_LEAF_SIGNATURE: /)
  assert.ok(judge(socket, { openssl: 'unused' }).ok)
})

test('accepts a caller that both accept, whatever time is left for explanations', async (context) => {
  const socket = await meet(context, good, [authority.bundlePem])
  assert.ok(judge(socket, { openssl: 'required', diagnosis: exhausted() }).ok)
})

test('refuses a caller that OpenSSL accepts and our verifier rejects, with our reason', async (context) => {
  const socket = await meet(context, await authority.issue(coreApi, { faults: ['no_path'] }), [authority.bundlePem])
  const verdict = judge(socket, { openssl: 'required', diagnosis: exhausted() })
  assert.equal(verdict.ok ? '' : verdict.reason, 'spiffe_id_without_path')
})

test('once the time for explanations is used up, a refusal names all possible OpenSSL causes', async (context) => {
  const socket = await meet(context, expired, [authority.bundlePem])
  const explained = judge(socket, { openssl: 'required', diagnosis: new TimeBudget() })
  assert.equal(explained.ok ? '' : explained.reason, 'expired')
  const short = judge(socket, { openssl: 'required', diagnosis: exhausted() })
  assert.deepEqual(short, {
    ok: false,
    reason: 'tls_refused',
    detail: 'CERT_HAS_EXPIRED: a certificate of its chain, or its authority, has expired',
  })
})

for (const [what, ends, reason] of [
  ['a caller', undefined, 'tls_refused'],
  ['a server that we call', { end: () => undefined, announce: () => undefined }, 'expired'],
] as const) {
  test(`limits the time for explanations depending on who opened the connection: ${what}`, async (context) => {
    const socket = await meet(context, expired, [authority.bundlePem])
    const reported: (string | undefined)[] = []
    const report = (event: CountersignEvent): void => {
      reported.push(event.type === 'authentication' ? event.reason : event.type)
    }
    const policy = { onExpiry: 'close', maxCertificateLifetime: undefined, diagnosis: exhausted() } as const
    new PeerConnections(report, policy).accept(socket, accept('required'), Date.now(), ends)
    assert.deepEqual(reported, [reason])
  })
}

test('explains every refusal without a limit', async (context) => {
  const socket = await meet(context, stranger, [authority.bundlePem])
  const verdict = judge(socket, { openssl: 'required' })
  assert.equal(verdict.ok ? '' : verdict.reason, 'unknown_authority')
})

/** An exhausted budget on a stopped clock. */
function exhausted(): TimeBudget {
  let time = 0
  const budget = new TimeBudget({ passed: () => time, spent: () => time })
  budget.spend(() => (time += 1000))
  budget.spend(() => (time += 1000))
  return budget
}

function judge(
  socket: TLSSocket,
  { openssl, diagnosis }: Pick<TrustState, 'openssl'> & { readonly diagnosis?: TimeBudget },
): ReturnType<typeof verifyPeer> {
  return verifyPeer(
    socket,
    accept(openssl),
    { cache: new VerdictCache(), readPeerChain: readCallerChain, diagnosis },
    Date.now(),
  )
}

function accept(openssl: TrustState['openssl']): TrustState {
  const { keyPem: key, certificatePem: cert } = own
  const { svid } = createMaterial({ key, cert, bundles: { 'saas.example': authority.bundlePem } })
  return { own: svid, trust: createSvidTrust(bundlesOf(authority)), openssl, known: () => [] }
}

/** The server side of a connection with this caller, verified by OpenSSL against these authorities. */
async function meet(context: TestContext, svid: TestSvid, ca: string[]): Promise<TLSSocket> {
  const options = { key: own.keyPem, cert: own.certificatePem, ca, requestCert: true, rejectUnauthorized: false }
  const server = createServer(options).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const accepting = new Promise<TLSSocket>((resolve) => server.once('secureConnection', resolve))
  const client = connect({
    host: '127.0.0.1',
    port,
    key: svid.keyPem,
    cert: svid.certificatePem,
    rejectUnauthorized: false,
  })
  client.on('error', () => undefined)
  const socket = await accepting
  socket.on('error', () => undefined)
  context.after(() => {
    client.destroy()
    socket.destroy()
    server.close()
  })
  return socket
}
