import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CountersignEvent } from '@countersign/core'
import { type CallerName, createAuthorities, createSource } from './callers.ts'
import { writeCurlFiles } from './curl-files.ts'
import { type Framework, startServices } from './services.ts'

/**
 * Keeps both services running until SIGINT, SIGTERM or SIGHUP, and prints commands that call them. The certificates and
 * keys for these commands are in a temporary folder, which is removed at the end.
 */
export async function serve(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(0))

  const authorities = await createAuthorities()
  const services = await startServices({
    source: await createSource(authorities),
    trustDomains: ['saas.example', 'partner.example'],
    log: (framework, event) => console.log(formatEvent(framework, event)),
  })
  const flags = new Map<CallerName, string>()
  for (const [caller] of Object.values(commands).flat()) {
    if (!flags.has(caller)) flags.set(caller, await writeCurlFiles(folder, caller, authorities))
  }
  for (const { framework, port } of services) {
    console.log(`${framework} listens on https://localhost:${port}`)
    for (const [ending, examples] of Object.entries(commands)) {
      console.log(`\n# ${ending}`)
      for (const [caller, path] of examples) {
        console.log(`curl -i ${flags.get(caller)} https://localhost:${port}${path}`)
      }
    }
    console.log()
  }
  console.log(`The certificates are valid for a day. Press Ctrl-C to stop the services and remove ${folder}.`)
  console.log('The reasons for denied calls appear here, and are never sent to the caller:')
}

const commands: Readonly<Record<string, readonly (readonly [CallerName, string])[]>> = {
  'allowed: 200': [
    ['core-api', '/internal/billing/invoices'],
    ['analytics-service', '/internal/analytics/reports'],
    ['notification-service', '/internal/health'],
  ],
  'authenticated, but not allowed: 403': [
    ['notification-service', '/internal/billing/invoices'],
    ['core-api of staging', '/internal/billing/invoices'],
    ['core-api', '/metrics'],
  ],
  'not authenticated: the connection closes without a response': [
    ['core-api, signed by partner', '/internal/billing/invoices'],
    ['no certificate', '/internal/health'],
  ],
}

function formatEvent(framework: Framework, event: CountersignEvent): string {
  if (event.type === 'denial') {
    const { status, method, path, principal = 'nobody', reason, detail } = event
    return `${framework}: ${status} for ${method} ${path} from ${principal}: ${reason}: ${detail}`
  }
  if (event.type === 'authentication')
    return `${framework}: connection closed: ${event.reason}: ${event.detail?.trim()}`
  if (event.type === 'audit') return `${framework}: would be denied: ${event.reason}: ${event.detail}`
  if (event.type === 'review') return `${framework}: ${event.severity}: ${event.detail}`
  return `${framework}: ${event.type} ${event.outcome}: ${event.detail}`
}
