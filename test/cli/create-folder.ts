import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

/** Creates a folder with mode 0700 for one test, with a path short enough for a socket in it. */
export function createFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'cs-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}
