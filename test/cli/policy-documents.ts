import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createFolder } from './create-folder.ts'
import type { Finished } from './run-command.ts'
import { runInProcess } from './run-in-process.ts'

export const production = 'spiffe://saas.example/ns/production/sa'
export const web = `${production}/web`
export const coreApi = `${production}/core-api`
/** The options of a service that also accepts callers of a partner. */
export const service: readonly string[] = [
  '--as',
  `${production}/billing`,
  '--trust-domain',
  'saas.example',
  '--trust-domain',
  'partner.example',
]

export const billing = `version: 1
rules:
  - path: /billing/**
    allow: { hasAuthority: SERVICE_core-api }
  - path: /**
    methods: [GET]
    allow: { authenticated: true }
policies:
  - name: no partners
    action: DENY
    from: [{ trustDomains: [partner.example] }]
    to: [{ paths: [/billing/**] }]
  - name: tenants
    action: DENY
    to: [{ paths: [/tenants/**] }]
    when: [{ header: x-tenant, values: [blue] }]
`

/** Writes files to a new folder. Returns the path of a name in it. */
export function writeFiles(t: TestContext, files: Readonly<Record<string, string>>): (name: string) => string {
  const folder = createFolder(t)
  for (const [name, text] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(join(path, '..'), { recursive: true })
    writeFileSync(path, text)
  }
  return (name) => join(folder, name)
}

/** A line of a decision log for an allowed GET of this caller, or another one. */
export function logLine(fields: Readonly<Record<string, unknown>> = {}): string {
  const line = {
    version: 1,
    type: 'decision',
    time: '2026-11-28T09:00:00.000Z',
    effect: 'allow',
    method: 'GET',
    path: '/invoices',
    principal: `${production}/web`,
    credential: 'x509-svid',
    sampled: 1,
    ...fields,
  }
  return `${JSON.stringify(line)}\n`
}

/** Runs `countersign policy` in this process. */
export function runPolicy(...args: readonly string[]): Promise<Finished> {
  return runInProcess(['policy', ...args])
}

/** Runs it with this standard input. */
export function runPolicyOn(input: string, ...args: readonly string[]): Promise<Finished> {
  return runInProcess(['policy', ...args], {}, undefined, input)
}

/** Parses an output that has to be one line of JSON. */
export function parseOutput(output: string): Readonly<Record<string, unknown>> {
  assert.equal(output.split('\n').length, 2)
  return parseRecord(JSON.parse(output))
}

export function parseRecord(value: unknown): Readonly<Record<string, unknown>> {
  assert.ok(typeof value === 'object' && value !== null)
  return { ...value }
}
