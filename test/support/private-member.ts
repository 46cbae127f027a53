/** The message of a canary test: what changed, and what has to be adapted. */
export function changed(member: string, file: string): string {
  return `${member} is not what ${file} expects: adapt that file and the table of private members in ARCHITECTURE.md`
}
