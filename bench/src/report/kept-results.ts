import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { isSuiteResult, type SuiteResult } from './result.ts'

const folder = new URL('../../results/', import.meta.url)

/** Saves the results of a suite, replacing the previous ones. */
export async function keepResult(result: SuiteResult): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(fileOf(result.suite), `${JSON.stringify(result, round, 2)}\n`)
}

/** The last results of a suite, or undefined if it has never run. */
export async function readResult(suite: string): Promise<SuiteResult | undefined> {
  let text: string
  try {
    text = await readFile(fileOf(suite), 'utf8')
  } catch {
    return undefined
  }
  const value: unknown = JSON.parse(text)
  if (isSuiteResult(value)) return value
  throw new Error(
    `found unexpected content in results/${suite}.json, expected the results of the suite; delete the file`,
  )
}

function fileOf(suite: string): URL {
  return new URL(`${suite}.json`, folder)
}

// Five digits are more than the accuracy of any value.
function round(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(5)) : value
}
