import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

/** A process with its own file source, and its output line by line: an error, its notices, serial numbers. */
export interface OtherAccount {
  next(): Promise<string>
}

/** The other user if we are root, to whom permissions do not apply; undefined for our own. */
export const otherAccount: number | undefined = process.getuid?.() === 0 ? 65_534 : undefined

// Built, because another process does not run TypeScript.
const entry = new URL('../../packages/core/dist/index.js', import.meta.url).href

/** Why the other user cannot be used; false if it can. */
export const skipOtherAccount: string | false = findObstacle()

function findObstacle(): string | false {
  if (process.platform === 'win32') return 'Windows has no such permissions'
  if (otherAccount === undefined) return false
  for (const path of [fileURLToPath(entry), process.execPath]) {
    for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
      if ((statSync(folder).mode & 0o005) !== 0o005) return `other accounts cannot read ${folder}`
    }
  }
  return false
}

/** Opens a file source in another process, without root privileges. */
export function askOtherAccount(context: TestContext, options: object): OtherAccount {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script, JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
    cwd: '/',
    ...(otherAccount === undefined ? {} : { uid: otherAccount, gid: otherAccount }),
  })
  const exit = once(child, 'exit')
  context.after(async () => {
    child.stdin.end()
    await exit
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return { next: async () => String((await lines.next()).value) }
}

const script = `
import { fileSource } from '${entry}'
process.stdin.resume()
const say = (line) => process.stdout.write(line + '\\n')
try {
  const source = await fileSource(JSON.parse(process.argv[1]))
  process.stdin.on('end', () => source.close())
  source.onNotice((notice) => say(notice.outcome + ' ' + notice.code))
  source.onUpdate(({ svid }) => say('update ' + svid.serialNumber))
} catch (error) {
  say('error ' + error.code)
}
`
