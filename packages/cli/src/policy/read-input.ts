import { readFile } from 'node:fs/promises'
import { ConfigurationError } from '@countersign/core'
import { describeThrown } from '@countersign/spiffe/options'
import { LineIndex, readYaml } from '@countersign/policy/internal'

/** A value of a file in YAML or JSON, with the place of each of its parts. */
export interface PlacedValue {
  readonly value: unknown
  /** Returns the place of a part: `table.yaml:3:5`. */
  readonly placeOf: (path: readonly (string | number)[]) => string
}

/**
 * Reads a file in YAML or JSON, without aliases, tags or duplicate keys.
 *
 * @throws {ConfigurationError} `option_invalid` if it cannot be read or is not valid
 */
export async function readValue(option: string, file: string): Promise<PlacedValue> {
  const text = await readText(option, file)
  const read = readYaml(text)
  const lines = new LineIndex(text)
  const describe = (offset: number): string => {
    const { line, column } = lines.placeOf(offset)
    return `${file}:${line}:${column}`
  }
  const [fault] = read.faults
  if (fault !== undefined) {
    throw new ConfigurationError(
      'option_invalid',
      `${describe(fault.offset)}: found ${fault.found}, expected ${fault.expected}`,
      { value: file },
    )
  }
  return { value: read.value, placeOf: (path) => describe(read.locate(path)) }
}

/**
 * Reads a text file.
 *
 * @throws {ConfigurationError} `option_invalid` if it cannot be read
 */
export async function readText(option: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const message = `${option}: found ${describeThrown(cause)}, expected a file that can be read`
    throw new ConfigurationError('option_invalid', message, { value: file, cause })
  }
}
