import { CallError, type CountersignEvent } from '@countersign/core'
import { close, listen } from './listen.ts'
import { shorten } from './print.ts'
import { askServiceB, type Conversation, waitForRotation } from './service-a.ts'
import { createServiceB, greeting } from './service-b.ts'
import { callAsServiceC, createImpostor } from './service-c.ts'
import { neighbourOf, openWorkloads } from './workloads.ts'

/** Runs the pair through some rotations, then shows that a third workload is refused. Returns the exit code. */
export async function demonstrate(ttlSeconds: number): Promise<number> {
  await using workloads = await openWorkloads(ttlSeconds)
  const { agent, sources } = workloads
  const { 'service-a': a, 'service-b': b, 'service-c': c } = sources
  const events: CountersignEvent[] = []
  const serviceB = createServiceB(b, (event) => events.push(event))
  const impostor = createImpostor(c, () => undefined)
  const [port, impostorPort] = await Promise.all([listen(serviceB), listen(impostor)])
  console.log(`service-b listens on 127.0.0.1:${port}; SVIDs come from ${agent}`)

  const conversations = [await askServiceB(a, port)]
  const { notBefore, expiresAt } = a.current.svid
  const rotations = expiresAt - notBefore > longestWait ? 0 : ttlSeconds > 20 ? 2 : 4
  if (rotations === 0)
    console.log(`SVIDs live for more than ${longestWait / 1000} seconds: the demo does not wait for a rotation`)
  for (let count = 0; count < rotations && (await waitForRotation(a)); count += 1) {
    console.log('service-a  rotated, connects again')
    conversations.push(await askServiceB(a, port))
  }

  const got = await callAsServiceC(c, port)
  const denials = events.filter((event) => event.type === 'denial')
  const why = denials.map(({ reason, principal }) => `${reason}: ${principal}`).join(', ') || 'nothing'
  console.log(`service-c  calls service-b and receives ${got === '' ? 'nothing' : got}; service-b reports ${why}`)
  const refused = await askServiceB(a, impostorPort).catch((error: unknown) => error)
  const code = refused instanceof CallError ? refused.code : 'no error'
  console.log(`service-a  finds service-c instead of service-b: ${code}`)
  await Promise.all([close(serviceB), close(impostor)])

  const own = new Set(conversations.map(({ ownSerialNumber }) => ownSerialNumber))
  const peers = new Set(conversations.map(({ peerSerialNumber }) => peerSerialNumber))
  const isExpected = ({ peer, answer }: Conversation): boolean =>
    peer === neighbourOf(a, 'service-b') && answer === greeting
  const isGood =
    conversations.every(isExpected) &&
    own.size === rotations + 1 &&
    got === '' &&
    why.endsWith(neighbourOf(c, 'service-c')) &&
    code === 'server_unexpected'
  console.log(
    `${isGood ? 'as expected' : 'NOT AS EXPECTED'}: ${conversations.length} connections, ${own.size - 1} rotations of ` +
      `service-a (${list(own)}), seen from service-b: ${list(peers)}, service-c refused on both sides`,
  )
  return isGood ? 0 : 1
}

// Milliseconds. The SVIDs of the machine's agent may be valid for an hour.
const longestWait = 150_000

function list(serialNumbers: ReadonlySet<string>): string {
  return [...serialNumbers].map(shorten).join(' ')
}
