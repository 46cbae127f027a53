import { mkdirSync, mkdtempSync, rmSync, symlinkSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { PolicyNotice, PolicySet, PolicySource } from '@countersign/authorization'
import { policyFiles } from '@countersign/policy'
import { waitForEvent } from '../support/wait-for-event.ts'

/** An empty folder that is removed after the test. */
export function createFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-policy-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A document with DENY policies of these names. */
export function denying(...names: readonly string[]): string {
  return JSON.stringify({ version: 1, policies: names.map((name) => ({ name, action: 'DENY' })) })
}

/** Replaces a file atomically. */
export function replaceFile(path: string, content: string): void {
  writeFileSync(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

/** Writes a new generation of a mounted folder as the kubelet does: the link `..data` is swapped. */
export function mountGeneration(mount: string, generation: string, files: Readonly<Record<string, string>>): void {
  const folder = `..${generation}`
  mkdirSync(join(mount, folder))
  for (const [name, content] of Object.entries(files)) writeFileSync(join(mount, folder, name), content)
  symlinkSync(folder, join(mount, '..data_tmp'))
  renameSync(join(mount, '..data_tmp'), join(mount, '..data'))
}

/** Opens a source that is closed after the test. */
export async function open(context: TestContext, ...location: Parameters<typeof policyFiles>): Promise<PolicySource> {
  const source = await policyFiles(...location)
  context.after(() => source.close())
  return source
}

/** The names of the policies of a set. */
export function namesOf({ policies = [] }: PolicySet): readonly string[] {
  return policies.map(({ name }) => name)
}

/** Waits for the next set. */
export function nextSet(source: PolicySource): Promise<PolicySet> {
  return waitForEvent<PolicySet>(
    (listener) => source.onUpdate(listener),
    () => true,
  )
}

/** Waits for the next notice with this outcome. */
export function nextNotice(source: PolicySource, outcome: PolicyNotice['outcome']): Promise<PolicyNotice> {
  return waitForEvent<PolicyNotice>(
    (listener) => source.onNotice(listener),
    (notice) => notice.outcome === outcome,
  )
}
