// Types of the web's phone. Times are seconds since 1970; no number passes 2^53, so all are ordinary
// numbers. What the calls do is told in mobile-ffi/README.md, what each field means in
// mobile-ffi/src/phone/.

/** What the screen can do about it. */
export type PhoneErrorName =
  'NotEnrolled' | 'AlreadyEnrolled' | 'BadCode' | 'CodeRefused' | 'StorageFull' | 'StoreDamaged'
  | 'WrongKey' | 'StoreInUse' | 'StoreFailed' | 'UpdateApp' | 'FieldFault' | 'ChooseMember' |
  'ChooseType' | 'NoRight' | 'GroupNotHere' | 'RecordNotHere' | 'RecordLetGo' |
  'RecordFull' |
  'AlreadyWithdrawn' | 'TooMuch' | 'NothingToSave' | 'NotAChoice' | 'SearchRefused' |
  'VisitOpen' | 'VisitOver' | 'BadAnswer' | 'Forged' | 'NotKnownThere' | 'Later' | 'ServerFull'
  | 'HttpStatus' | 'NoRandomness';

export class PhoneError extends Error {
  name: PhoneErrorName;
  /** The words for the person, in Vietnamese. */
  words: string;
  /** Of `FieldFault`. */
  field?: string;
  /** Of `CodeRefused` and `StoreFailed`: for a log. */
  detail?: string;
  /** Of `StoreDamaged`. */
  path?: string;
  /** Of `HttpStatus`. */
  status?: number;
  static of(name: PhoneErrorName, detail?: unknown): PhoneError;
}

/** Loads the library, once. */
export function load(source: Response | BufferSource | Promise<Response | BufferSource>): Promise<void>;
/** The clocks, as they are now. */
export function now(): Clock;

/** What a phone keeps its rows in: `IndexedDbStore`, `FileStore`. */
export interface Store {
  load(): Promise<{
    rows: [Uint8Array, Uint8Array][]; key: Uint8Array; place: string; highWater: number;
    putAside?: string;
  }>;
  write(changes: [Uint8Array, Uint8Array | undefined][], highWater: number): Promise<void>;
  mine(): Promise<void>;
  startAnew(): Promise<void>;
  persisted(): Promise<boolean>;
  close(): Promise<void>;
  onLost: () => void;
}

export class Phone {
  static open(store: Store): Promise<Phone>;
  static startAnew(store: Store): Promise<Phone>;
  close(): Promise<void>;

  status(): Promise<Status & { persisted: boolean }>;
  server(): Promise<Server | null>;
  digits(): Promise<string | null>;
  highWater(): Promise<number>;
  enrolBegin(text: string): Promise<EnrolStep>;
  enrolFinish(status: number, body: Uint8Array): Promise<null>;

  groups(): Promise<Group[]>;
  members(group: string): Promise<Member[]>;
  typesFor(group: string, member: number): Promise<WritableType[]>;
  form(type: string, kind?: string | null): Promise<Form>;
  newItem(): Promise<number>;

  save(
    group: string, member: number, record: string | null, type: string, values: FieldInput[],
    clock?: Clock,
  ): Promise<SavedRecord>;
  answer(record: string, member: number, values: FieldInput[], clock?: Clock): Promise<SavedRecord>;
  choose(
    record: string, member: number, field: string, item: number, change: string, clock?: Clock,
  ): Promise<SavedRecord>;
  withdraw(record: string, member: number, reason: string, clock?: Clock): Promise<SavedRecord>;
  reissue(
    record: string, member: number, toGroup: string, toMember: number, toType: string,
    kind: string | null, reason: string, clock?: Clock,
  ): Promise<Reissued>;

  list(filter?: ListFilter): Promise<Row[]>;
  search(text: string, limit?: number): Promise<Row[]>;
  read(record: string): Promise<RecordPage>;
  waiting(): Promise<Waiting[]>;
  groupActs(group: string, before?: number | null, limit?: number): Promise<GroupAct[]>;

  wakeAt(now_s?: number): Promise<number | null>;
  lastProblem(): Promise<Problem | null>;
  request(budgetBytes?: number, answerKib?: number): Promise<Visit>;
  response(visit: number, status: number, body: Uint8Array, now_s?: number): Promise<Visited>;
  visitFailed(visit: number, failure: VisitFailure, now_s?: number): Promise<null>;
}

/** The host's clocks, as they are now. */
export interface Clock {
  wall_s: number;
  mono_s: number;
}

/** Where the phone sends, and whom it trusts there. */
export interface Server {
  url: string;
  ca_der: Uint8Array;
}

/** How the phone stands. */
export interface Status {
  enrolled: boolean;
  confirmed: boolean;
  closed: boolean;
  last_receipt_s: number | null;
  records: number;
  queued: number;
  waiting: number;
  refused: number;
  put_aside: string | null;
}

/** What the host sends to enrol: `POST {url}/v1/enrol` with `body`. */
export interface EnrolStep {
  url: string;
  ca_der: Uint8Array;
  body: Uint8Array;
  digits: string;
  group_name: string;
}

/** A group that this phone is in. */
export interface Group {
  id: string;
  name: string;
  area: string | null;
  commune: string | null;
}

/** A member who may be chosen as the one who writes. */
export interface Member {
  number: number;
  name: string | null;
  role: string;
}

/** A type of record that a member may write. */
export interface WritableType {
  id: string;
  label: string;
  lane: string | null;
}

/** A form. */
export interface Form {
  type_id: string;
  label: string;
  lane: string | null;
  lane_label: string;
  fields: FormField[];
  withdraw_reasons: FormChoice[];
}

/** A field of a form. */
export interface FormField {
  id: string;
  label: string;
  kind: string;
  choices: FormChoice[];
  required: boolean;
  conditional: boolean;
  chars_max: number | null;
  unit: string | null;
  family: string | null;
}

/** One choice of a list. */
export interface FormChoice {
  id: string;
  label: string;
  call: boolean;
  keep_away: boolean;
}

/** A value for a field. */
export interface FieldInput {
  field: string;
  item: number;
  value: InputValue;
}

/** A day of the local calendar. */
export interface DayInput {
  year: number;
  month: number;
  day: number;
}

/** A local time. */
export interface TimeInput {
  day: DayInput;
  hour: number;
  minute: number;
  offset_minutes: number;
}

/** What a person gave. To take a value back, give an empty text or an empty set. */
export type InputValue =
  | { yes_no: { yes: boolean } }
  | { number: { text: string } }
  | { choice: { id: string } }
  | { choices: { ids: string[] } }
  | { text: { text: string } }
  | { day: { day: DayInput } }
  | { time: { time: TimeInput } }
  | { interval: { start: TimeInput; end: TimeInput | null } }
  | { position: { latitude_e4: number; longitude_e4: number; accuracy_m: number } }
  | { area: { id: string } }
  | { links: { records: string[] } };

/** What was saved: it is on the disk of this phone. */
export interface SavedRecord {
  record: string;
  high_water: number;
}

/** A record said anew. */
export interface Reissued {
  record: string;
  old_withdrawn: boolean;
  dropped: string[];
  high_water: number;
}

/** Which records a list shows. */
export interface ListFilter {
  group?: string | null;
  lane?: string | null;
  type_id?: string | null;
  text?: string | null;
  unanswered_only?: boolean;
  limit?: number;
  before?: string | null;
}

/** A row of a list. */
export interface Row {
  record: string;
  type_id: string;
  label: string;
  lane: string;
  group: string;
  day: string | null;
  headline: string;
  badge: BadgeView;
}

/** Where a record is, in one word. */
export type Phase =
  'queued' | 'waiting' | 'received' | 'safe' | 'refused';

/** What stands beside a record. */
export interface BadgeView {
  phase: Phase;
  refused: string[];
  state: string | null;
  unanswered: boolean;
  rivals: boolean;
  withdrawn: string | null;
}

/** Why a change is not in the log. */
export type WaitingWhy =
  'queued' | 'not_confirmed' | 'refused' | 'held' | 'forked';

/** A change that is not in the log yet. */
export interface Waiting {
  record: string;
  change: string;
  label: string;
  why: WaitingWhy;
  words: string;
  since_s: number;
  said: WaitingField[];
}

/** One value of a change that is not in the log yet. */
export interface WaitingField {
  label: string;
  text: string;
}

/** A record. */
export interface RecordPage {
  record: string;
  type_id: string;
  label: string;
  lane: string;
  group: string;
  author: string | null;
  written_s: number;
  received_s: number | null;
  fields: PageField[];
  missing: MissingField[];
  remarks: Remark[];
  withdrawn: string | null;
  badge: BadgeView;
}

/** A field. */
export interface PageField {
  id: string;
  item: number;
  label: string;
  value: SaidView;
  rivals: SaidView[];
  history: SaidView[];
}

/** A value that somebody said. */
export interface SaidView {
  text: string;
  change: string;
  member: string | null;
  own: boolean;
  written_s: number;
  received_s: number | null;
  erased: boolean;
}

/** A field that is asked for and has no value. */
export interface MissingField {
  id: string;
  label: string;
}

/** What an officer said. */
export interface Remark {
  said_s: number;
  officer: string;
  field: string | null;
  field_label: string | null;
  state: string | null;
  reason: string | null;
  words: string | null;
  asks: boolean;
}

/** Something that was done at the desk. */
export interface GroupAct {
  index: number;
  time_s: number;
  by: string;
  what: string;
  own: boolean;
}

/** What the host sends: `POST {url}/v1/sync` with `body`. */
export interface Visit {
  id: number;
  body: Uint8Array;
}

/** What a visit brought; it is on the disk. */
export interface Visited {
  received_now: number;
  refused_now: number;
  said_again: number;
  again: boolean;
  touched: string[];
  high_water: number;
}

/** What the host saw of a visit that failed. */
export type VisitFailure =
  'no_network' | 'timeout' | 'tls_clock' | 'tls_other' | 'http_status' | 'given_up';

/** What last went wrong on the way to the server. */
export type ProblemKind =
  'no_network' | 'timeout' | 'tls_clock' | 'tls_other' | 'http_status' | 'bad_answer' | 'forged'
  | 'not_known_there' | 'later' | 'server_full' | 'update_app' | 'storage_full' | 'not_taken';

/** What the screen says until a visit goes well. */
export interface Problem {
  kind: ProblemKind;
  words: string;
}
