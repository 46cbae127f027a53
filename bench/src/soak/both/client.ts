/**
 * The caller of a soak in which both ends rotate, in a separate process: `client.ts <endpoint> <port> <seconds>
 * <rate>`.
 */
import { get } from 'node:https'
import { json } from 'node:stream/consumers'
import { setTimeout } from 'node:timers/promises'
import { inspect } from 'node:util'
import { createAgent, createFetch } from '@countersign/client'
import { workloadApiSource } from '@countersign/workload-api'
import { path } from '../../workload.ts'
import { recordMemory } from '../record-memory.ts'
import { countCertificates } from './count-certificates.ts'

const [, , endpoint = '', port = '', seconds = '', rate = ''] = process.argv
const source = await workloadApiSource({ endpoint })
const servers = ['spiffe://saas.example/ns/production/sa/billing']
const url = `https://127.0.0.1:${port}${path}`
const memory = recordMemory()

const certificates = countCertificates()
const fetch = createFetch(source, { servers, connections: 16 })
const agent = createAgent(source, { servers, maxSockets: 16 })
const ways = [
  async (): Promise<unknown> => {
    const response = await fetch(url)
    if (response.status !== 200) throw new Error(`found ${response.status}, expected 200`)
    return response.json()
  },
  (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const sent = get(url, { agent }, (response) => {
        if (response.statusCode === 200) resolve(json(response))
        else reject(new Error(`found ${response.statusCode}, expected 200`))
      })
      sent.once('error', reject)
    }),
] as const

const failures = new Map<string, number>()
let requests = 0
let expired = 0

async function call(routing: () => Promise<unknown>): Promise<void> {
  const sentAt = Date.now()
  try {
    const answer = await routing()
    const expiresAt = typeof answer === 'object' && answer !== null ? Number(Reflect.get(answer, 'expiresAt')) : 0
    requests += 1
    // The server considered our certificate valid until then.
    if (!(expiresAt > sentAt)) expired += 1
  } catch (error) {
    const message = inspect(error, { breakLength: Infinity }).split('\n', 1).join('')
    failures.set(message, (failures.get(message) ?? 0) + 1)
  }
}

process.send?.('ready')
const start = performance.now()
// Completed requests are removed, because a list of all would grow.
const running = new Set<Promise<void>>()
for (let sent = 0; sent < Number(rate) * Number(seconds); sent += 1) {
  const due = start + (sent * 1000) / Number(rate)
  if (due > performance.now()) await setTimeout(due - performance.now())
  const routing = ways[sent % ways.length] ?? ways[0]
  const sending = call(routing)
  running.add(sending)
  void sending.then(() => running.delete(sending))
}
await Promise.all(running)
process.send?.({
  requests,
  expired,
  failures: [...failures],
  serviceCertificates: certificates.size,
  callerMemory: memory,
})
await fetch.close()
agent.destroy()
await source.close()
process.disconnect()
