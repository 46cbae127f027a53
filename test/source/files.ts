import { chmodSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileSource, type SourceNotice, type X509Material, type X509Source } from '@countersign/core'
import { type Authority, createAuthority, type TestSvid } from '@countersign/testkit'
import { waitForEvent } from '../support/wait-for-event.ts'

export const spiffeId = 'spiffe://saas.example/ns/production/sa/core-api'
export const authority: Authority = await createAuthority('saas.example')

/** An empty folder that is removed after the test. */
export function createFolder(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-files-'))
  // Other users need access to the folder, because some tests run as another user.
  chmodSync(folder, 0o755)
  context.after(() => {
    chmodSync(folder, 0o755)
    rmSync(folder, { recursive: true, force: true })
  })
  return folder
}

/** Writes the usual three files as in a mounted folder. */
export function writeFiles(folder: string, svid: TestSvid, bundle: string = authority.bundlePem): void {
  writePrivate(join(folder, 'tls.key'), svid.keyPem)
  writeFileSync(join(folder, 'tls.crt'), svid.certificatePem)
  writeFileSync(join(folder, 'bundle.pem'), bundle)
}

/** A file that only its owner can read, as a key should be. */
export function writePrivate(path: string, content: string | Uint8Array): void {
  writeFileSync(path, content, { mode: 0o600 })
}

/** Replaces a file atomically. */
export function replaceFile(path: string, content: string | Uint8Array): void {
  writePrivate(`${path}.new`, content)
  renameSync(`${path}.new`, path)
}

/** Installs a new generation like the kubelet: a folder with a timestamp in its name, and the link `..data` to it. */
export function swapData(mount: string, generation: string): void {
  symlinkSync(generation, join(mount, '..data_tmp'))
  renameSync(join(mount, '..data_tmp'), join(mount, '..data'))
}

/** The options for the usual three files. */
export function optionsFor(folder: string): {
  readonly key: string
  readonly cert: string
  readonly bundles: Readonly<Record<string, string>>
} {
  const bundles = { 'saas.example': join(folder, 'bundle.pem') }
  return { key: join(folder, 'tls.key'), cert: join(folder, 'tls.crt'), bundles }
}

/** The usual three files, and a source for them that is closed after the test. */
export interface Service {
  readonly folder: string
  readonly svid: TestSvid
  readonly source: X509Source
  /** All its notifications since it started. */
  readonly updates: readonly X509Material[]
  readonly notices: readonly SourceNotice[]
}

export async function startService(context: TestContext, folder: string = createFolder(context)): Promise<Service> {
  const svid = await authority.issue(spiffeId)
  writeFiles(folder, svid)
  return { ...(await openSource(context, fileSource({ ...optionsFor(folder), pollMs: 1000 }))), folder, svid }
}

/** A source with all its notifications. */
export async function openSource<Material>(
  context: TestContext,
  opening: Promise<X509Source<Material>>,
): Promise<{
  readonly source: X509Source<Material>
  readonly updates: readonly Material[]
  readonly notices: readonly SourceNotice[]
}> {
  const source = await opening
  context.after(() => source.close())
  const updates: Material[] = []
  const notices: SourceNotice[] = []
  source.onUpdate((material) => updates.push(material))
  source.onNotice?.((notice) => notices.push(notice))
  return { source, updates, notices }
}

/** Waits until the source has material that satisfies a condition, after any number of updates. */
export function awaitMaterial<Material>(
  source: X509Source<Material>,
  fits: (material: Material) => boolean,
): Promise<Material> {
  return waitForEvent((listener) => {
    const stop = source.onUpdate(listener)
    try {
      listener(source.current)
    } catch {
      // It has none at the moment.
    }
    return stop
  }, fits)
}

/** Waits until the source has the SVID with this serial number. */
export async function awaitSvid(source: X509Source, { serialNumber }: Pick<TestSvid, 'serialNumber'>): Promise<void> {
  await awaitMaterial(source, ({ svid }) => svid.serialNumber === serialNumber)
}

/** Waits for a notice with this code, or returns an earlier one. */
export function awaitNotice(source: X509Source<unknown>, code: SourceNotice['code']): Promise<SourceNotice> {
  return waitForEvent(
    (listener) => source.onNotice?.(listener) ?? (() => undefined),
    (notice) => notice.code === code,
  )
}
