import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { isSuiteResult, type SuiteResult } from './result.ts'

const folder = new URL('../../results/', import.meta.url)

/** Keeps what a suite measured, in place of what it measured before. */
export async function keepResult(result: SuiteResult): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(fileOf(result.suite), `${JSON.stringify(result, round, 2)}\n`)
}

/** What a suite measured last, or undefined when it never ran. */
export async function readResult(suite: string): Promise<SuiteResult | undefined> {
  let text: string
  try {
    text = await readFile(fileOf(suite), 'utf8')
  } catch {
    return undefined
  }
  const value: unknown = JSON.parse(text)
  if (isSuiteResult(value)) return value
  throw new Error(`found something else in results/${suite}.json, expected what the suite measured; delete the file`)
}

function fileOf(suite: string): URL {
  return new URL(`${suite}.json`, folder)
}

// Five digits are more than any of it is worth.
function round(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(5)) : value
}
