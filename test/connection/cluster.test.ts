import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createServer } from 'node:https'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { authenticated, createGuard } from '@countersign/core'
import { createAuthority, Peer, type TestSvid } from '@countersign/testkit'
import { replaceFile } from '../source/files.ts'
import { serialOf } from './bare-tls.ts'
import { clusterServers, startCluster } from './start-cluster.ts'

const authority = await createAuthority('saas.example')
const ours = 'spiffe://saas.example/ns/production/sa/billing'
const own = await authority.issue(ours)
const caller = await authority.issue('spiffe://saas.example/ns/production/sa/core-api')

const versions = ['TLSv1.2', 'TLSv1.3'] as const

const partner = await createAuthority('partner.example')
const bundles = { rr: [authority.bundlePem], none: [authority.bundlePem, partner.bundlePem] } as const
const trustDomains = { rr: 'one trust domain', none: 'several trust domains' } as const

// If the workers accept connections themselves, one of them may receive all.
const enoughWorkers = { rr: 2, none: 1 } as const

describe('guarded servers in node:cluster workers', { concurrency: true, timeout: 120_000 }, () => {
  for (const policy of ['rr', 'none'] as const) {
    test(`serve with every adapter and resume none of each other's sessions, before and after a rotation (scheduling policy ${policy}, ${trustDomains[policy]})`, async (context) => {
      const { ports, ticketKeys, folder } = await startCluster(context, policy, own, bundles[policy])
      assert.equal(new Set(ticketKeys.flat()).size, 2 * clusterServers.length)
      const firsts: Asked[] = []
      for (const [index, name] of clusterServers.entries()) {
        for (const version of versions) {
          const first = await ask(ports[index], caller, version)
          assert.equal(first.answer?.name, caller.spiffeId, name)
          firsts.push(first)
        }
      }
      const expectNoResumption = async ({ serialNumber }: TestSvid): Promise<void> => {
        const workers = new Set<number>()
        // Three connections per round, because the primary distributes them over the two workers in turn.
        for (let round = 0; workers.size < enoughWorkers[policy]; round += 1) {
          const version = versions[round % 2]
          const { session } = firsts[round % firsts.length] ?? {}
          const port = ports[Math.floor(round / 2) % ports.length]
          for (const svid of [caller, caller, null]) {
            const { answer, serial } = await ask(port, svid, version, session)
            // A session does not authenticate a peer without the key.
            assert.equal(answer?.resumed, svid === null ? undefined : false)
            if (answer !== undefined && serial === serialOf(serialNumber)) workers.add(answer.worker)
          }
        }
      }
      await expectNoResumption(own)
      const next = await authority.issue(ours)
      replaceFile(join(folder, 'tls.key'), next.keyPem)
      replaceFile(join(folder, 'tls.crt'), next.certificatePem)
      await expectNoResumption(next)
    })
  }

  test('do not use the ticket keys that the primary passes to every worker', async () => {
    const source = await authority.source(ours)
    const guard = createGuard({ source, rules: [{ path: '/**', allow: authenticated() }], log: () => undefined })
    const shared = randomBytes(48)
    for (const isAttachedFirst of [true, false]) {
      const server = createServer(guard.tlsOptions())
      if (isAttachedFirst) guard.attach(server)
      // What the worker's side of node:cluster calls on listen.
      const take: unknown = Reflect.get(server, '_setServerData')
      assert.ok(typeof take === 'function')
      Reflect.apply(take, server, [{ ticketKeys: shared.toString('hex') }])
      if (!isAttachedFirst) guard.attach(server)
      assert.notDeepEqual(server.getTicketKeys(), shared)
    }
  })
})

interface Answer {
  readonly name: string
  readonly worker: number
  readonly resumed: boolean
}

interface Asked {
  readonly answer: Answer | undefined
  readonly session: Buffer | undefined
  readonly serial: bigint | undefined
}

/** Sends one HTTP/1.1 request on a new connection; tries to resume `session` if given. */
async function ask(
  port: number | undefined,
  svid: TestSvid | null,
  version: 'TLSv1.2' | 'TLSv1.3' = 'TLSv1.3',
  session?: Buffer,
): Promise<Asked> {
  assert.ok(port !== undefined)
  await using peer = new Peer(port, svid, { minVersion: version, maxVersion: version })
  let received = ''
  let given: Buffer | undefined
  let serial: bigint | undefined
  try {
    const socket: TLSSocket = await peer.connect({
      ALPNProtocols: ['http/1.1'],
      ...(session !== undefined && { session }),
    })
    given = socket.getSession()
    socket.on('session', (later: Buffer) => (given = later))
    socket.on('data', (data: Buffer) => (received += data.toString('latin1')))
    serial = serialOf(socket.getPeerCertificate().serialNumber)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve))
  } catch {
    // In TLS 1.2 a refusal aborts the handshake itself.
  }
  const body = received.split('\r\n\r\n')[1]
  return { answer: body === undefined ? undefined : parseAnswer(body), session: given, serial }
}

function parseAnswer(body: string): Answer {
  const value: unknown = JSON.parse(body)
  assert.ok(typeof value === 'object' && value !== null)
  const read = (name: keyof Answer): unknown => Reflect.get(value, name)
  return { name: String(read('name')), worker: Number(read('worker')), resumed: read('resumed') !== false }
}
