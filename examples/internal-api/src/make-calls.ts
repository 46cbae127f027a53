import { setTimeout } from 'node:timers/promises'
import type { CountersignEvent } from '@countersign/core'
import type { TestSvid } from '@countersign/testkit'
import { type Answer, type Call, calls, ended } from './calls.ts'
import { type Authorities, type CallerName, issueFor } from './callers.ts'
import { Client } from './client.ts'
import type { Framework, Service } from './services.ts'

/** A completed call. */
export interface Result extends Call {
  readonly framework: Framework
  readonly found: Answer
  /** The operator's reason in words; empty if nothing was denied. */
  readonly detail: string
}

/** Returns whether a call had the expected result: the response to the caller, and the reason in the log. */
export function isExpected({ expected, found }: Result): boolean {
  return found.seen === expected.seen && found.reason === expected.reason
}

/** Receives the progress of the calls. */
export interface CallProgress {
  /** The results of one call from each service, in the order of the calls. */
  readonly onResults: (results: readonly Result[]) => void
  /** Called when the next result has to wait until a certificate has expired. */
  readonly onWait: () => void
}

/**
 * Makes every call to each service, one after another, so that an event belongs to the call during which it arrives.
 */
export async function makeCalls(
  services: readonly Service[],
  authorities: Authorities,
  { onResults, onWait }: CallProgress,
): Promise<readonly Result[]> {
  const results = services.map((): Result[] => [])
  let reported = 0
  const report = (): void => {
    while (results.every((ofService) => ofService.length > reported)) {
      onResults(results.flatMap((ofService) => ofService[reported] ?? []))
      reported += 1
      if (calls[reported]?.request === 'connection at expiry') onWait()
    }
  }
  await Promise.all(
    services.map((service, index) =>
      callService(service, authorities, (result) => {
        results[index]?.push(result)
        report()
      }),
    ),
  )
  return results.flat()
}

async function callService(
  service: Service,
  authorities: Authorities,
  onResult: (result: Result) => void,
): Promise<void> {
  const open = new Map<CallerName, OpenCaller>()
  for (const call of calls) {
    const caller = open.get(call.caller) ?? (await openCaller(call.caller, service, authorities))
    open.set(call.caller, caller)
    onResult({ ...call, framework: service.framework, ...(await makeCall(call, caller, service)) })
  }
  for (const { client } of open.values()) client.close()
}

interface OpenCaller {
  readonly svid: TestSvid | null
  readonly client: Client
}

async function openCaller(name: CallerName, { port }: Service, authorities: Authorities): Promise<OpenCaller> {
  const svid = await issueFor(name, authorities)
  return { svid, client: new Client({ port, credentials: { svid, ca: authorities.ours.bundlePem } }) }
}

type Finding = Pick<Result, 'found' | 'detail'>

async function makeCall({ request }: Call, { svid, client }: OpenCaller, service: Service): Promise<Finding> {
  if (request === 'connection at expiry') return waitForExpiry(client, svid)
  const eventsBefore = service.events.length
  try {
    const { status, body } = await client.read(request)
    if (status === 200) return readPass(body, svid)
    const id = String(readField(body, 'instance')).replace('urn:uuid:', '')
    return describe(String(status), await findEvent(service, 0, (event) => event.type === 'denial' && event.id === id))
  } catch (error) {
    const event = await findEvent(service, eventsBefore, (event) => event.type === 'authentication')
    return describe(event === undefined ? String(error) : ended, event)
  }
}

/** The service returns the caller that it authenticated; a success as another caller is a failure. */
function readPass(body: unknown, svid: TestSvid | null): Finding {
  const caller = String(readField(body, 'caller'))
  return { found: { seen: caller === svid?.spiffeId ? '200' : `200 as ${caller}` }, detail: '' }
}

async function waitForExpiry(client: Client, svid: TestSvid | null): Promise<Finding> {
  const expiresAt = svid?.expiresAt ?? 0
  try {
    await client.waitForEnd(AbortSignal.timeout(Math.max(0, expiresAt - Date.now()) + 10_000))
  } catch {
    return { found: { seen: 'connection still open' }, detail: '' }
  }
  if (Date.now() < expiresAt) return { found: { seen: 'closed before expiry' }, detail: '' }
  return { found: { seen: ended }, detail: `the certificate was valid until ${new Date(expiresAt).toISOString()}` }
}

/**
 * Waits a moment for the event, because the caller's connection may close before the server has reported the refusal.
 */
async function findEvent(
  { events }: Service,
  from: number,
  isMeant: (event: CountersignEvent) => boolean,
): Promise<CountersignEvent | undefined> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const event = events.slice(from).find(isMeant)
    if (event !== undefined) return event
    await setTimeout(10)
  }
  return undefined
}

function describe(seen: string, event: CountersignEvent | undefined): Finding {
  if (
    event === undefined ||
    event.type === 'source' ||
    event.type === 'mode' ||
    event.type === 'policy' ||
    event.type === 'review' ||
    event.reason === undefined
  )
    return { found: { seen }, detail: '' }
  return { found: { seen, reason: event.reason }, detail: event.detail?.trim() ?? '' }
}

function readField(body: unknown, name: string): unknown {
  return typeof body === 'object' && body !== null ? Reflect.get(body, name) : undefined
}
