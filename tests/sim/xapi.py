"""The pool as xapi sees it, and its `xe`: every text, error and delay of it.

A `Pool` sits on a World (virtual time, power, links, the truth about what
runs).  Each host has an XapiProcess with a role, a state and a copy of the
database; the master's copy is the live one.  `Pool.xe(host, argv, done)` is a
client: done(status, out, err) comes later in virtual time, or never.

    words           errors in two eras, rendered as xe does       sections 3, 8
    fields          one table per class, in xapi's print order    section 6
    database        rows that are replaced, never changed, so that a copy of
                    all is a copy of ten dicts                    section 9.5
    arguments       what client and server make of argv           sections 1, 2
    machinery       gates, tasks, work on another host, calls     section 0
    records         lists, filters, param-*                       sections 4, 5
    machines        VM, host, storage, appliance, pool commands   sections 7, 8
    processes       roles, start-up, emergency, liveness          section 9
    Pool            all of it together

Section numbers in docstrings are those of the reference on xe's behaviour.

Commands are plain functions; one that takes time is a generator that yields
seconds to sleep or a Gate to wait at.  Nothing here depends on the order of
dicts, on chance or on the clock of the machine.
"""

import binascii
import sys
import time

GIB = 1024 * 1024 * 1024
OVERHEAD = 16 * 1024 * 1024         # of a VM, beyond its own memory: 8(d)
DOM0_MEMORY = GIB
POOL_CONF = '/etc/xensource/pool.conf'
NULL = '<not in database>'
NEVER = '19700101T00:00:00Z'
EPOCH = 1764000000                  # when virtual time begins, as Dom0.wall() has it

HEARTBEAT = 30.0                    # of a slave, and of the master's collector: 9.2
ASSUMED_DEAD = 600.0                # without a heartbeat: 9.2
PUSH_EVERY = 300.0                  # one slave's copy is refreshed, round-robin: 9.5
HELLO_RETRY, HELLO_PERMANENT = 5.0, 60.0                        # 8(g)
LINK_RETRY = (2.0, 256.0)           # back-off of a slave's link to its master: 8(g)
FORWARD_RETRIES, FORWARD_PAUSE = 10, 10.0                       # 8(c)
LISTENS_BEFORE = 2.0                # xapi answers that long before it is ready
WORKERS = 4                         # of xenopsd: so many domains at a time does a host build
ENABLE_AFTER = 1.0                  # from hello to enabled=true: 9.3
BODY_LIMIT = 200 * 1024             # of a request: 0
MAP_GAP = 0.01                      # between the removal and the adding of a key: 5
BROKEN_RETRY = 60.0                 # pool.conf cannot be read: 9.1
GUEST_TIMEOUT = 1200.0              # a guest that does not shut down: 7.3
COMMIT = 10.0                       # pool-designate-new-master, both phases: 7.8


###############################################################################
# Words: errors in two eras ###################################################
###############################################################################

class ApiError(Exception):
    """A known or unknown API error: a code and its parameters."""

    def __init__(self, code, params=()):
        Exception.__init__(self, code)
        self.code, self.params = code, list(params)


class CliError(Exception):
    """`Error: <text>`, from xapi's command line server itself."""


class Usage(Exception):
    """A line, then `For usage run: 'xe help'`."""


class Multiple(Exception):
    """--multiple with failures: [(uuid, text)], last failure first."""

    def __init__(self, failures):
        Exception.__init__(self, 'multiple')
        self.failures = failures


class NoInput(Exception):
    """The client met the end of its input at a prompt; 1.3."""


KNOWN = (ApiError, CliError, Usage, Multiple, NoInput)


def caught():
    """The exception in flight, on every Python."""
    return sys.exc_info()[1]


# code: (wording up to 8.0, wording from 22 on or None when it is the same, names of
# the parameters); table 3.1
ERRORS = {
    'INTERNAL_ERROR': (
        'The server failed to handle your request, due to an internal error.  The '
        'given message may give details useful for debugging the problem.',
        'The server failed to handle your request, due to an internal error. The '
        'given message may give details useful for debugging the problem.',
        ('message',)),
    'NO_HOSTS_AVAILABLE': (
        'There were no hosts available to complete the specified operation.',
        'There were no servers available to complete the specified operation.', ()),
    'HOST_DISABLED': ('The specified host is disabled.',
                      'The specified server is disabled.', ('host',)),
    'HOST_NOT_LIVE': (
        'This operation cannot be completed as the host is not live.',
        'This operation cannot be completed as the server is not live.', ()),
    'HOST_IS_LIVE': (
        'This operation cannot be completed as the host is still live.',
        'This operation cannot be completed because the server is still live.',
                     ('host',)),
    'HOST_NOT_ENOUGH_FREE_MEMORY': (
        'Not enough host memory is available to perform this operation',
        'Not enough server memory is available to perform this operation.',
                                    ('needed', 'available')),
    'CANNOT_CONTACT_HOST': (
        'Cannot forward messages because the host cannot be contacted.  The host may '
        'be switched off or there may be network connectivity problems.',
        'Cannot forward messages because the server cannot be contacted. The server '
        'may be switched off or there may be network connectivity problems.',
        ('host',)),
    'HOST_IS_SLAVE': (
        'You cannot make regular API calls directly on a slave. Please pass API calls '
        'via the master host.',
        'You cannot make regular API calls directly on a supporter. Please pass API '
        'calls via the coordinator host.',
        ('Master IP address',)),
    'HOST_UNKNOWN_TO_MASTER': (
        "The master says the host is not known to it. Perhaps the Host was deleted "
        "from the master's database? Perhaps the slave is pointing to the wrong master?",
        "The coordinator says the server is not known to it. Is the server in the "
        "coordinator's database and pointing to the correct coordinator? Are all "
        "servers using the same pool secret?",
        ('host',)),
    'HOST_MASTER_CANNOT_TALK_BACK': (
        'The master reports that it cannot talk back to the slave on the supplied '
        'management IP address.',
        'The coordinator reports that it cannot talk back to the supporter on the '
        'supplied management IP address.',
        ('ip',)),
    'HOST_HAS_RESIDENT_VMS': (
        'This host cannot be forgotten because there are some user VMs still running',
        'This server cannot be forgotten because there are user VMs still running.',
                              ('host',)),
    'HOST_ITS_OWN_SLAVE': (
        'The host is its own slave. Please use pool-emergency-transition-to-master or '
        'pool-emergency-reset-master.',
        'The host is its own supporter. Please use '
        'pool-emergency-transition-to-master or pool-emergency-reset-master.', ()),
    'HOST_BROKEN': (
        'This host failed in the middle of an automatic failover operation and needs '
        'to retry the failover action',
        'This server failed in the middle of an automatic failover operation and '
        'needs to retry the failover action.', ()),
    'VM_BAD_POWER_STATE': (
        "You attempted an operation on a VM that was not in an appropriate power "
        "state at the time; for example, you attempted to start a VM that was already "
        "running.  The parameters returned are the VM's handle, and the expected and "
        "actual VM state at the time of the call.",
        "You attempted an operation on a VM that was not in an appropriate power "
        "state at the time; for example, you attempted to start a VM that was already "
        "running. The parameters returned are the VM's handle, and the expected and "
        "actual VM state at the time of the call.",
        ('vm', 'expected', 'actual')),
    'OTHER_OPERATION_IN_PROGRESS': (
        'Another operation involving the object is currently in progress', None,
                                    ('class', 'object')),
    'HOST_OFFLINE': (
        'You attempted an operation which involves a host which could not be contacted.',
        None, ('host',)),
    'HOST_STILL_BOOTING': ('The host toolstack is still initialising. Please wait.',
                           None, ()),
    'HOST_NOT_DISABLED': (
        'This operation cannot be performed because the host is not disabled. Please '
        'disable the host and then try again.', None, ()),
    'UUID_INVALID': ('The uuid you supplied was invalid.', None, ('type', 'uuid')),
    'MAP_DUPLICATE_KEY': (
        'You tried to add a key-value pair to a map, but that key is already there.',
                          None,
        ('type', 'param_name', 'uuid', 'key')),
    'SR_HAS_PBD': (
        'The SR is still connected to a host via a PBD. It cannot be destroyed or '
        'forgotten.', None, ('sr',)),
    'DOMAIN_EXISTS': (
        'The operation could not be performed because a domain still exists for the '
        'specified VM.', None, ('vm', 'domid')),
    'HA_IS_ENABLED': (
        'The operation could not be performed because HA is enabled on the Pool', None,
                      ()),
    'OPERATION_NOT_ALLOWED': ('You attempted an operation that was not allowed.', None,
                              ('reason',)),
    'OPERATION_BLOCKED': (
        'You attempted an operation that was explicitly blocked (see the '
        'blocked_operations field of the given object).', None,
        ('ref', 'code')),
    'VM_REQUIRES_SR': (
        "You attempted to run a VM on a host which doesn't have access to an SR "
        "needed by the VM. The VM has at least one VBD attached to a VDI in the SR.",
        None,
        ('vm', 'sr')),
    'OPERATION_PARTIALLY_FAILED': (
        'Some VMs belonging to the appliance threw an exception while carrying out '
        'the specified operation', None,
        ('operation',)),
    'VDI_IN_USE': (
        'This operation cannot be performed because this VDI is in use by some other '
        'operation', None, ('vdi', 'operation')),
    'VM_SHUTDOWN_TIMEOUT': ('VM failed to shutdown before the timeout expired', None,
                            ('vm', 'timeout')),
    'INVALID_VALUE': ('The value given is invalid', None, ('field', 'value')),
    'TASK_CANCELLED': ('The request was asynchronously canceled.', None, ('task',)),
    'SESSION_INVALID': (
        'You gave an invalid session reference. It may have been invalidated by a '
        'server restart, or timed out. You should get a new session handle, using one '
        'of the session.login_ calls. This error does not invalidate the current '
        'connection. The handle parameter echoes the bad value given.', None,
        ('handle',)),
    }

DANGEROUS = ('This operation is extremely dangerous and may cause data loss. This '
             'operation must be forced (use --force).',
             'This operation is dangerous and may cause data loss. This operation '
             'must be forced (use --force).')

FORGET_WARNING = (
    'WARNING: A host should only be forgotten if it is physically unrecoverable;',
    "WARNING: if possible, Hosts should be 'ejected' from the Pool instead.",
    'WARNING: Once a host has been forgotten it will have to be re-installed.',
    'WARNING: This operation is irreversible.')

DEAD_WARNING = (
    'WARNING: A host should only be declared dead if it is verified offline.',
    'WARNING: Performing this operation if the host is still online and has any',
    'WARNING: running VMs may lead to possible data loss and/or corruption.')

LOST = 'Lost connection to the server.\n'
REFUSED = 'Error: Connection refused (calling connect )\n'
UNREACHABLE = 'Error: No route to host (calling connect )\n'
NO_USAGE = "For usage run: 'xe help'\n"
HELP = ('Usage: xe <command> [-s server] [-pw passwd] [-p port] [-u user] '
        '[-pwf password-file]\n')


def failed_text(error, era, db):
    """What goes to stderr for a failed command.  Section 3."""
    if isinstance(error, Usage):
        return '%s\n%s' % (error.args[0], NO_USAGE)
    if isinstance(error, CliError):
        return 'Error: %s\n' % error.args[0]
    return '\n'.join(error_lines(error, era, db)) + '\n'


def error_lines(error, era, db):
    """An API error as lines: description and parameters, or code and all."""
    values = [readable(db, value) for value in error.params]
    if error.code not in ERRORS:
        return ['Error code: %s' % error.code,
                'Error parameters: %s' % ', '.join(values)]
    wordings = ERRORS[error.code]
    names = wordings[2]
    if error.code == 'OTHER_OPERATION_IN_PROGRESS' and era:
        names = names + ('operation_type', 'operation_ref')     # from 25.27 on
    lines = [wordings[era] or wordings[0]]
    for place in range(max(len(names), len(values))):
        lines.append('%s: %s' % ((names[place:place + 1] or ('<extra>',))[0],
                                 (values[place:place + 1] or ('<unknown>',))[0]))
    return lines


def readable(db, value):
    """A parameter that is a known object becomes `uuid (name-label)`.  3(1)"""
    row = db and db.find(value)
    if not row:
        return value
    if 'name_label' in row:
        return '%s (%s)' % (row['uuid'], row['name_label'])
    return row['uuid']


def one_line(error, era, db):
    """The text of one failure among those of --multiple.  3(7)"""
    if isinstance(error, CliError):
        return 'INTERNAL_ERROR: [ Cli_failure("%s") ]' % error.args[0]
    if error.code not in ERRORS:
        return '%s: [ %s ]' % (error.code, '; '.join(error.params))
    return '\n'.join(error_lines(error, era, db))


###############################################################################
# Fields: one table per class, in print order #################################
###############################################################################

# name/flags.  w: writable; S: set; M: map; x: expensive; h: hidden; d: deprecated;
# n: not in the old era; r: reference; b: boolean; i: integer; t: time; m: bytes of
# memory; c: a set joined with commas; f: float
FIELDS = {}

FIELDS['pool'] = '''
uuid name-label/w name-description/w master/r default-SR/wr crash-dump-SR/wr
suspend-image-SR/wr supported-sr-types/Sx other-config/Mw allowed-operations/S
current-operations/S ha-enabled/b ha-configuration ha-statefiles/S
ha-host-failures-to-tolerate/wi ha-plan-exists-for/i ha-allow-overcommit/wb
ha-overcommitted/b ha-reboot-vm-on-internal-shutdown/nwb blobs wlb-url wlb-username
wlb-enabled/wb wlb-verify-cert/wb igmp-snooping-enabled/wb gui-config/Mw
health-check-config/Mw vswitch-controller/h restrictions tags/Swc license-state
ha-cluster-stack guest-agent-config/Mw cpu_info/M policy-no-vendor-device/wb
live-patching-disabled/wb uefi-certificates/hn tls-verification-enabled/nb
client-certificate-auth-enabled/nb client-certificate-auth-name/n repositories/nS
https-only/nwb migration-compression/nwb coordinator-bias/nwb telemetry-frequency/n
last-update-sync/nt update-sync-frequency/n update-sync-day/ni update-sync-enabled/nb
recommendations/nM
'''

FIELDS['host'] = '''
uuid name-label/w name-description/w allowed-operations/S current-operations/S
enabled/b display API-version-major/i API-version-minor/i API-version-vendor
API-version-vendor-implementation/M logging/Mw suspend-image-sr-uuid/wr
crash-dump-sr-uuid/wr software-version/M capabilities/S other-config/Mw cpu_info/M
chipset-info/M hostname address https-only/nwb supported-bootloaders/S blobs
memory-overhead/i memory-total/i memory-free/i memory-free-computed/xi
host-metrics-live/b patches/Scd updates/Sc ha-statefiles/S ha-network-peers/S
external-auth-type external-auth-service-name external-auth-configuration/M edition
license-server/M power-on-mode power-on-config/M local-cache-sr/r tags/Swc
ssl-legacy/wb guest_VCPUs_params/Mw virtual-hardware-platform-versions/S
control-domain-uuid/r resident-vms/S updates-requiring-reboot/S features/S iscsi_iqn/w
multipathing/wb uefi-certificates/hn numa-affinity-policy/nw pending-guidances/nS
tls-verification-enabled/nb last-software-update/nt latest-synced-updates-applied/n
pending-guidances-recommended/nS pending-guidances-full/nS
'''

FIELDS['vm'] = '''
uuid name-label/w name-description/w user-version/wi is-a-template/wb
is-default-template/wb is-a-snapshot/b snapshot-of/r snapshots/S snapshot-time/t
transportable-snapshot-id/h snapshot-info parent/r children/S is-control-domain/b
power-state memory-actual/i memory-target/xi memory-overhead/i memory-static-max/wm
memory-dynamic-max/wm memory-dynamic-min/wm memory-static-min/wm suspend-VDI-uuid/wr
suspend-SR-uuid/wr VCPUs-params/Mw VCPUs-max/wi VCPUs-at-startup/wi
actions-after-shutdown/w actions-after-softreboot/nw actions-after-reboot/w
actions-after-crash/w console-uuids/S hvm/b nomigrate/hb nested-virt/hb platform/Mw
allowed-operations/S current-operations/S blocked-operations/Mw allowed-VBD-devices/Sx
allowed-VIF-devices/Sx possible-hosts/Sx domain-type/w current-domain-type
HVM-boot-policy/w HVM-boot-params/Mw HVM-shadow-multiplier/wf PV-kernel/w PV-ramdisk/w
PV-args/w PV-legacy-args/w PV-bootloader/w PV-bootloader-args/w last-boot-CPU-flags
last-boot-record/x resident-on/r affinity/wr other-config/Mw dom-id/i recommendations
xenstore-data/Mw ha-always-run/wbd ha-restart-priority/w blobs start-time/t
install-time/t VCPUs-number/i VCPUs-utilisation/Mx os-version/M netbios-name/M
PV-drivers-version/M PV-drivers-up-to-date/bd memory/M disks/M VBDs/S networks/M
services/nM PV-drivers-detected/b other/M live/b guest-metrics-last-updated/t
can-use-hotplug-vbd can-use-hotplug-vif cooperative/xbd tags/Swc appliance/wr
groups/nS snapshot-schedule/wr is-vmss-snapshot/b start-delay/wi shutdown-delay/wi
order/wi version/i generation-id hardware-platform-version/i has-vendor-device/wb
requires-reboot/b reference-label bios-strings/M pending-guidances/nS
'''

FIELDS['appliance'] = '''
uuid name-label/w name-description/w VMs/S allowed-operations/S current-operations/S
'''

FIELDS['vbd'] = '''
uuid vm-uuid/r vm-name-label vdi-uuid/r vdi-name-label allowed-operations/S
current-operations/S empty/b device userdevice/w bootable/wb mode/w type/w
unpluggable/wb currently-attached/b attachable/xb storage-lock/b status-code/i
status-detail qos_algorithm_type/w qos_algorithm_params/Mw qos_supported_algorithms/S
other-config/Mw io_read_kbs/xf io_write_kbs/xf
'''

FIELDS['vdi'] = '''
uuid name-label/w name-description/w is-a-snapshot/b snapshot-of/r snapshots/S
snapshot-time/t allowed-operations/S current-operations/S sr-uuid/r sr-name-label
vbd-uuids/S crashdump-uuids/S virtual-size/i physical-utilisation/i location type
sharable/b read-only/b storage-lock/b managed/b parent/rd missing/b is-tools-iso/b
other-config/Mw xenstore-data/M sm-config/M on-boot/w allow-caching/wb
metadata-latest/b metadata-of-pool/r tags/Swc cbt-enabled/b
'''

FIELDS['pbd'] = '''
uuid host/rd host-uuid/r host-name-label sr-uuid/r sr-name-label device-config/M
currently-attached/b other-config/Mw
'''

FIELDS['sr'] = '''
uuid name-label/w name-description/w host allowed-operations/S current-operations/S
VDIs/S PBDs/S virtual-allocation/i physical-utilisation/i physical-size/i type
content-type shared/wb introduced-by/r is-tools-sr/b other-config/Mw sm-config/M blobs
local-cache-enabled/b tags/Swc clustered/b
'''

FIELDS['pif'] = '''
uuid device MAC physical/b managed/b currently-attached/b MTU/i VLAN/i
vlan-master-of/nr vlan-slave-of/nS bond-master-of/S bond-slave-of/r
sriov-physical-PIF-of/S sriov-logical-PIF-of/S tunnel-access-PIF-of/S
tunnel-transport-PIF-of/S management/b network-uuid/r network-name-label host-uuid/r
host-name-label IP-configuration-mode IP netmask gateway IPv6-configuration-mode
IPv6/S IPv6-gateway primary-address-type DNS properties/M capabilities/S
io_read_kbs/xf io_write_kbs/xf carrier/b vendor-id vendor-name device-id device-name
speed duplex disallow-unplug/wb pci-bus-path other-config/Mw igmp-snooping-status
'''

FIELDS['network'] = '''
uuid name-label/w name-description/w VIF-uuids/S PIF-uuids/S MTU/wi bridge managed/b
other-config/Mw blobs tags/Swc default-locking-mode/w purpose/Swc
'''

FIELDS['message'] = '''
uuid name priority/i class obj-uuid timestamp/t body
'''

FIELDS['task'] = '''
uuid name-label name-description subtask_of/r subtasks/S resident-on/r status
progress/f type result created/t finished/t error_info/S allowed_operations/S
current_operations/nS other-config/Mw
'''

CLASSES = ('pool', 'host', 'vm', 'appliance', 'vbd', 'vdi', 'pbd', 'sr', 'pif',
           'network', 'message', 'task')

# what xapi itself calls them: section 5
INTERNAL = {'vm': 'VM', 'sr': 'SR', 'vdi': 'VDI', 'vbd': 'VBD', 'pbd': 'PBD',
            'pif': 'PIF',
            'appliance': 'VM_appliance'}

# where a raw value has another name than its field
KEYS = {('host', 'host-metrics-live'): 'live', ('vbd', 'vm-uuid'): 'VM',
        ('vbd', 'vdi-uuid'): 'VDI',
        ('vdi', 'sr-uuid'): 'SR', ('vdi', 'vbd-uuids'): 'VBDs',
        ('pbd', 'host-uuid'): 'host',
        ('pbd', 'sr-uuid'): 'SR', ('pif', 'host-uuid'): 'host',
        ('pif', 'network-uuid'): 'network',
        ('network', 'PIF-uuids'): 'PIFs'}

# what the references point to, for param-set
POINTS_TO = {'affinity': 'host', 'appliance': 'appliance', 'default-SR': 'sr',
             'crash-dump-SR': 'sr',
             'suspend-image-SR': 'sr', 'suspend-SR-uuid': 'sr',
             'suspend-VDI-uuid': 'vdi',
             'suspend-image-sr-uuid': 'sr', 'crash-dump-sr-uuid': 'sr',
             'snapshot-schedule': 'task'}

# command prefix: (class, default filters, default fields or '' for all); 4.4
LISTS = {
    'pool': ('pool', (), 'uuid name-label name-description master default-SR'),
    'host': ('host', (), 'uuid name-label name-description'),
    'vm': ('vm', (('is-a-template', 'false'),), 'uuid name-label power-state'),
    'template': ('vm', (('is-a-template', 'true'), ('is-a-snapshot', 'false')),
                 'uuid name-label name-description'),
    'snapshot': ('vm', (('is-a-snapshot', 'true'),),
                 'uuid name-label name-description is-vmss-snapshot'),
    'appliance': ('appliance', (), ''),
    'vbd': ('vbd', (), 'uuid vm-uuid vm-name-label vdi-uuid empty device'),
    'vdi': ('vdi', (), 'uuid name-label name-description sr-uuid virtual-size '
                       'sharable read-only'),
    'pbd': ('pbd', (), 'uuid host-uuid sr-uuid device-config currently-attached'),
    'sr': ('sr', (), 'uuid name-label name-description host type content-type'),
    'pif': ('pif', (), 'uuid device MAC currently-attached VLAN network-uuid '
                       'host-uuid'),
    'network': ('network', (), 'uuid name-label name-description bridge'),
    'message': ('message', (), ''),
    'task': ('task', (), 'uuid name-label name-description status progress'),
    }

# never field filters: 2.1
RESERVED = ('server', 'password', 'port', 'username', 'minimal', 'force', 'multiple',
            'all', 'message-priority',
            'trace')


class Field(object):
    """A column: how its raw value is found, shown and set."""

    def __init__(self, kind, spec):
        self.kind = kind
        self.name, flags = (spec.split('/') + [''])[:2]
        self.key = KEYS.get((kind, self.name), self.name.replace('-', '_'))
        self.writable, self.expensive = 'w' in flags, 'x' in flags
        self.hidden = 'h' in flags
        self.is_set, self.is_map, self.is_new = 'S' in flags, 'M' in flags, 'n' in flags
        self.computed = COMPUTED.get((kind, self.name))
        self.type = ([letter for letter in flags if letter in 'rbitmf'] or ['s'])[0]
        self.default, self.render = SHOWN[self.type]
        if self.is_map:
            self.default, self.render = (), show_map
        if self.is_set:
            self.default, self.render = (), show_set
            if 'c' in flags:
                self.render = ', '.join
        self.left = self.name + self.tag()
        if 'd' in flags:
            self.left += ' [DEPRECATED]'

    def tag(self):
        letter = 'O'
        if self.writable:
            letter = 'W'
        if self.is_set:
            return ' (SR%s)' % letter
        if self.is_map:
            return ' (MR%s)' % letter
        return ' ( R%s)' % letter

    def value(self, db, row):
        if self.computed:
            return self.computed(db, row)
        return row.get(self.key, self.default)

    def text(self, db, row):
        """As it is shown; remembered by the row when only the row decides."""
        if self.computed:
            return self.render(self.computed(db, row))
        shown = row.cache.get(self.name)
        if shown is None:
            shown = row.cache[self.name] = self.render(row.get(self.key, self.default))
        return shown


def show_text(value):
    return value


def show_ref(value):
    return value or NULL


def show_bool(value):
    return (value and 'true') or 'false'


def show_int(value):
    return '%d' % value


def show_float(value):
    return '%.3f' % value


def show_set(value):
    return '; '.join(value)


def show_map(value):
    return '; '.join(['%s: %s' % pair for pair in value])


def show_time(value):
    """Seconds since 1970 as xapi prints them; 4.3."""
    if not value:
        return NEVER
    return time.strftime('%Y%m%dT%H:%M:%SZ', time.gmtime(int(value)))


SHOWN = {'s': ('', show_text), 'r': ('', show_ref), 'b': (False, show_bool),
         'i': (0, show_int),
         'm': (0, show_int), 't': (0, show_time), 'f': (0.0, show_float)}


# -- values that depend on more than the row ----

def name_of(kind, key):
    def get(db, row):
        other = db.get(kind, row.get(key))
        return (other and other['name_label']) or NULL
    return get


def operations(db, row):
    """Only the names of current operations, not the tasks."""
    return [operation for _, operation in row.get('current_operations', ())]


def vdi_name(db, row):
    if not row.get('VDI'):
        return '<EMPTY>'
    return name_of('vdi', 'VDI')(db, row)


def sr_host(db, row):
    """The host of a local SR, `<shared>` with more than one PBD; 4.3."""
    pbds = row.get('PBDs', ())
    if len(pbds) > 1:
        return '<shared>'
    pbd = pbds and db.get('pbd', pbds[0])
    host = pbd and db.get('host', pbd['host'])
    return (host and host['name_label']) or NULL


def vms_by(db, key):
    """{value of that key: [vm uuid]}"""
    found = {}
    for vm in db.rows('vm'):
        found.setdefault(vm.get(key), []).append(vm['uuid'])
    return found


def appliance_vms(db, row):
    return db.memo('appliance', vms_by, 'appliance').get(row['uuid'], ())


def resident_vms(db, row):
    return db.memo('resident_on', vms_by, 'resident_on').get(row['uuid'], ())


def memory_free(db, row):
    return free_memory(db)[row['uuid']]


def possible_hosts(db, row):
    """Hosts where it could start, by the database alone."""
    free = free_memory(db)
    return [host['uuid'] for host in db.rows('host')
            if not boot_objection(db, row, host, free)]


COMPUTED = {
    ('vm', 'current-operations'): operations, ('vm', 'possible-hosts'): possible_hosts,
    ('pool', 'current-operations'): operations,
    ('host', 'current-operations'): operations,
    ('appliance', 'current-operations'): operations,
    ('vbd', 'vm-name-label'): name_of('vm', 'VM'), ('vbd', 'vdi-name-label'): vdi_name,
    ('vdi', 'sr-name-label'): name_of('sr', 'SR'),
    ('pbd', 'host-name-label'): name_of('host', 'host'),
    ('pbd', 'sr-name-label'): name_of('sr', 'SR'),
    ('pif', 'host-name-label'): name_of('host', 'host'),
    ('pif', 'network-name-label'): name_of('network', 'network'),
    ('sr', 'host'): sr_host,
    ('appliance', 'VMs'): appliance_vms, ('host', 'resident-vms'): resident_vms,
    ('host', 'memory-free'): memory_free, ('host', 'memory-free-computed'): memory_free,
    }


class Schema(object):
    """The classes and their fields in one era."""

    def __init__(self, era):
        self.era, self.fields, self.index, self.layouts = era, {}, {}, {}
        for kind in CLASSES:
            fields = [Field(kind, spec) for spec in FIELDS[kind].split()]
            self.fields[kind] = [f for f in fields if era or not f.is_new]
            self.index[kind] = dict([(f.name, f) for f in self.fields[kind]])

    def layout(self, kind, params):
        """A Layout of the chosen fields, in xapi's order, not the caller's; 4.1."""
        key = (self.era, kind, params)
        if key not in self.layouts:
            chosen = [f for f in self.fields[kind] if not f.hidden]
            if params != 'all':
                names = params.split(',')
                chosen = [f for f in chosen if f.name in names]
            self.layouts[key] = Layout(key, chosen)
        return self.layouts[key]

    def find(self, kind, name):
        """(field, rest after the name of a map or set or None); 2, 4.5."""
        index = self.index[kind]
        if name in index:
            return index[name], None
        if ':' in name:
            stem, rest = name.split(':', 1)
            field = index.get(stem)
            if field is None:
                raise CliError("Unknown field '%s'" % name)
            if not (field.is_set or field.is_map):
                raise CliError("Field '%s' is not a set or map" % stem)
            return field, rest
        return self.find_legacy(kind, name)

    def find_legacy(self, kind, name):
        """`mapfield-key`: the longest map that fits, then the longest set."""
        for collection in ('is_map', 'is_set'):
            fields = [f for f in self.fields[kind] if getattr(f, collection)]
            for field in sorted(fields, key=lambda f: (-len(f.name), f.name)):
                if name.startswith(field.name + '-'):
                    return field, name[len(field.name) + 1:]
        raise CliError("Unknown field '%s'" % name)


class Layout(object):
    """Fields with their left columns padded as xe does; 4.1."""

    def __init__(self, key, fields):
        self.key, self.fields = key, fields
        width = 4 + max([0] + [len(f.left) for f in fields])
        self.columns = []
        for place, field in enumerate(fields):
            left = field.left.rjust(width)
            if place == 0:
                left = field.left.ljust(width)
            self.columns.append((left + ': ', field))
        self.pure = not [f for f in fields if not f.expensive
                         and f.computed not in (None, operations)]

    def block(self, db, row, all_values):
        """One record.  The row remembers it, if only the row decides."""
        if all_values or not self.pure:
            return self.draw(db, row, all_values)
        block = row.cache.get(self.key)
        if block is None:
            block = row.cache[self.key] = self.draw(db, row, all_values)
        return block

    def draw(self, db, row, all_values):
        lines = []
        for left, field in self.columns:
            if field.expensive and not all_values:
                lines.append(left + '<expensive field>')
            else:
                lines.append(left + field.text(db, row))
        return '\n'.join(lines) + '\n\n\n'

    def first(self, db, row, all_values):
        """What --minimal shows of a record: its first field; 4.2."""
        field = self.fields[0]
        if field.expensive and not all_values:
            return '<expensive field>'
        return field.text(db, row)


SCHEMAS = {}


def schema_of(era):
    if era not in SCHEMAS:
        SCHEMAS[era] = Schema(era)
    return SCHEMAS[era]


###############################################################################
# Database ####################################################################
###############################################################################

class Row(dict):
    """An object of the database; replaced by a new one when it changes."""

    __slots__ = ('cache',)


def new_row(fields):
    row = Row(fields)
    row.cache = {}
    return row


def ref_of(uuid):
    """The internal reference: arbitrary but always the same; records are
    listed in its order, 4.1."""
    words = ['%08x' % (binascii.crc32((salt + uuid).encode('ascii')) & 0xffffffff)
             for salt in 'abcd']
    text = ''.join(words)
    return 'OpaqueRef:%s-%s-%s-%s-%s' % (text[:8], text[8:12], text[12:16], text[16:20],
                                         text[20:32])


class Database(object):
    """{class: {uuid: Row}}.  Rows are never changed, only replaced, and so
    are the values in them: a copy shares them all."""

    def __init__(self):
        self.tables = dict([(kind, {}) for kind in CLASSES])
        self.orders, self.memos = {}, {}

    def copy(self):
        new = Database()
        for kind in CLASSES:
            new.tables[kind] = self.tables[kind].copy()
        new.orders = self.orders.copy()
        return new

    def memo(self, key, function, *args):
        """function(self, *args), remembered until the next change."""
        if key not in self.memos:
            self.memos[key] = function(self, *args)
        return self.memos[key]

    def get(self, kind, uuid):
        return self.tables[kind].get(uuid)

    def rows(self, kind):
        """All of a class, in the order of the database."""
        table = self.tables[kind]
        order = self.orders.get(kind)
        if order is None:
            order = self.orders[kind] = [uuid for _, uuid in sorted(
                [(row['ref'], uuid) for uuid, row in table.items()])]
        return [table[uuid] for uuid in order]

    def set(self, kind, uuid, **fields):
        """Change a row; nothing when it has gone meanwhile."""
        row = self.tables[kind].get(uuid)
        if row is not None:
            row = new_row(row)
            row.update(fields)
            self.tables[kind][uuid] = row
            self.memos.clear()

    def create(self, kind, uuid, **fields):
        row = new_row(fields)
        row['uuid'], row['ref'] = uuid, ref_of(uuid)
        self.tables[kind][uuid] = row
        self.orders[kind] = None
        self.memos.clear()
        return uuid

    def destroy(self, kind, uuid):
        self.tables[kind].pop(uuid, None)
        self.orders[kind] = None
        self.memos.clear()

    def find(self, value):
        """The object with that uuid or reference, of any class, or None."""
        for kind in CLASSES:
            row = self.tables[kind].get(value)
            if row is not None:
                return row
        if value.startswith('OpaqueRef:'):
            for kind in CLASSES:
                for row in self.rows(kind):
                    if row['ref'] == value:
                        return row

    def pool(self):
        return self.rows('pool')[0]

    def need(self, kind, uuid):
        """The row, or the error that a bad uuid gives; section 5."""
        row = self.get(kind, uuid)
        if row is None:
            raise ApiError('UUID_INVALID', [INTERNAL.get(kind, kind), uuid])
        return row


# -- maps: tuples of pairs, the latest first ----

def map_get(pairs, key):
    for name, value in pairs:
        if name == key:
            return value


def map_without(pairs, key):
    return tuple([pair for pair in pairs if pair[0] != key])


def map_with(pairs, key, value):
    return ((key, value),) + map_without(pairs, key)


# -- what follows from the rows ----

def disks_of(db, vm):
    """The VDI rows of a VM row."""
    vbds = [db.get('vbd', uuid) for uuid in vm.get('VBDs', ())]
    vdis = [db.get('vdi', vbd['VDI']) for vbd in vbds if vbd]
    return [vdi for vdi in vdis if vdi]


def hosts_with(db, sr):
    """{host uuid: True} of those with an attached PBD of the SR."""
    return db.memo(('hosts', sr), find_hosts_with, sr)


def find_hosts_with(db, sr):
    pbds = [db.get('pbd', uuid) for uuid in (db.get('sr', sr) or {}).get('PBDs', ())]
    return dict([(pbd['host'], True) for pbd in pbds
                 if pbd and pbd['currently_attached']])


def footprint(vm):
    return vm['memory_static_max'] + vm['memory_overhead']


def free_memory(db):
    """{host uuid: bytes}, counting what runs or is about to start there."""
    return db.memo('free', find_free_memory)


def find_free_memory(db):
    free = {}
    for host in db.rows('host'):
        free[host['uuid']] = host['memory_total'] - DOM0_MEMORY
    for vm in db.tables['vm'].values():
        host = vm['resident_on'] or vm.get('scheduled')
        if host in free and not vm['is_control_domain']:
            free[host] -= footprint(vm)
    return free


def boot_objection(db, vm, host, free):
    """The ApiError that keeps a VM from booting on a host, or None.  Order
    of the checks as in xapi; free=None leaves memory out.  7.2, 8(c)"""
    if not host['live']:
        return ApiError('HOST_NOT_LIVE')
    if not host['enabled']:
        return ApiError('HOST_DISABLED', [host['uuid']])
    for vdi in disks_of(db, vm):
        if host['uuid'] not in hosts_with(db, vdi['SR']):
            return ApiError('VM_REQUIRES_SR', [vm['uuid'], vdi['SR']])
    if free is not None and free[host['uuid']] < footprint(vm):
        return ApiError('HOST_NOT_ENOUGH_FREE_MEMORY',
                        ['%d' % footprint(vm), '%d' % max(0, free[host['uuid']])])


def lock_key(host):
    return 'host_' + ref_of(host)


def lock_disks(db, vm, host):
    """sm's mark on every VDI that a host opens; 8(e)."""
    for vdi in disks_of(db, vm):
        db.set('vdi', vdi['uuid'],
               sm_config=map_with(vdi['sm_config'], lock_key(host), 'RW'))


def unlock_disks(db, vm, host):
    for vdi in disks_of(db, vm):
        db.set('vdi', vdi['uuid'],
               sm_config=map_without(vdi['sm_config'], lock_key(host)))


def unlock_all(db, host, sr=None):
    """What the hooks of a dead host and `resetvdis.py all` do; 8(e)."""
    key = lock_key(host)
    for vdi in db.rows('vdi'):
        if sr in (None, vdi['SR']) and map_get(vdi['sm_config'], key):
            db.set('vdi', vdi['uuid'], sm_config=map_without(vdi['sm_config'], key))


def set_attached(db, vm, attached):
    for vbd in (db.get('vm', vm) or {}).get('VBDs', ()):
        db.set('vbd', vbd, currently_attached=attached)


def set_running(db, vm, host, state, domid):
    """The database says: it runs there."""
    db.set('vm', vm, power_state=state, resident_on=host, dom_id=domid, scheduled='')
    set_attached(db, vm, True)


def set_halted(db, vm, state='halted'):
    """The database says: it does not run.  Locks stay as they are."""
    db.set('vm', vm, power_state=state, resident_on='', dom_id=-1, scheduled='')
    set_attached(db, vm, False)


def set_ended(db, vm, state='halted'):
    """A domain ended in an orderly way: its disks are closed as well."""
    row = db.get('vm', vm)
    if row:
        unlock_disks(db, row, row['resident_on'])
        set_halted(db, vm, state)


###############################################################################
# Arguments ###################################################################
###############################################################################

CLIENT_VALUES = {'-s': 'server', '-h': 'server', '-p': 'port', '-u': 'username',
                 '-pw': 'password',
                 '-pwf': 'passwordfile', '--traceparent': 'traceparent'}
CLIENT_WORDS = {'--nossl': 'nossl', '--debug': 'debug',
                '--debug-on-fail': 'debugonfail'}
CLIENT_NAMES = ('server', 'port', 'username', 'password', 'passwordfile', 'nossl',
                'debug', 'debugonfail',
                'traceparent')


def split_extra(text):
    """The arguments in XE_EXTRA_ARGS: commas, `\\,` is a comma; 1.2."""
    words, word, escaped = [], '', False
    for letter in text:
        if letter == ',' and not escaped:
            words.append(word)
            word = ''
        elif letter != '\\':
            word += letter
        escaped = letter == '\\'
    return [w for w in words + [word] if w]


def client_arguments(argv, extra):
    """({option: value}, what is sent to the server); 1.1."""
    options, sent, words = {}, [], list(argv)
    for word in split_extra(extra):
        if word.split('=', 1)[0] in CLIENT_NAMES:
            options[word.split('=', 1)[0]] = (word.split('=', 1) + [''])[1]
        else:
            sent.append(word)
    rest = []
    while words:
        word = words.pop(0)
        name = word.split('=', 1)[0]
        if word in CLIENT_VALUES and words:
            options[CLIENT_VALUES[word]] = words.pop(0)
        elif word in CLIENT_WORDS:
            options[CLIENT_WORDS[word]] = 'true'
        elif '=' in word and name in CLIENT_NAMES:
            options[name] = word.split('=', 1)[1]
        else:
            rest.append(word)
    return options, rest + sent


def split_lines(arguments):
    """Arguments travel joined with newlines, so a newline inside one begins
    a new one; a final carriage return is dropped; section 0."""
    return [without_return(line) for line in '\n'.join(arguments).split('\n')]


def without_return(line):
    if line.endswith('\r'):
        return line[:-1]
    return line


def server_parameters(arguments):
    """[(name, value)] as xapi reads them; section 2."""
    params = []
    for word in arguments:
        if word.startswith('--'):
            params.append((word[2:], 'true'))
        elif word.startswith('-'):
            raise Usage('Syntax error: ')
        elif '=' in word:
            params.append(tuple(word.split('=', 1)))
        else:
            params.append((word, ''))
    return params


TRUE, FALSE = ('true', 't', 'yes', 'y', '1'), ('false', 'f', 'no', 'n', '0')


def parse_flag(name, text):
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise CliError("Failed to parse parameter '%s': Expected "
                   "'true','t','yes','y','1','false','f','no','n','0' got %s"
                   % (name, text))


def parse_bool(name, text):
    if text.lower() not in TRUE + FALSE:
        raise CliError("Failed to parse parameter '%s': expecting a boolean (true or "
                       "false)" % name)
    return text.lower() in TRUE


def parse_int(name, text):
    try:
        return int(text)
    except ValueError:
        raise CliError("Failed to parse parameter '%s': expecting an integer" % name)


def parse_memory(name, text):
    """Bytes, or a number with a binary suffix; section 5."""
    for power, unit in enumerate(('KiB', 'MiB', 'GiB', 'TiB')):
        if text.endswith(unit):
            return parse_int(name, text[:-3].strip()) * 1024 ** (power + 1)
    return parse_int(name, text)


def parse_minimal(params):
    """Unlike other flags only true or false, else an internal error; 2."""
    for name, text in params:
        if name == 'minimal':
            if text not in ('true', 'false'):
                raise ApiError('INTERNAL_ERROR', [
                    'INTERNAL_ERROR: [ Invalid_argument("bool_of_string") ]'])
            return text == 'true'
    return False


###############################################################################
# Machinery: gates, tasks, calls ##############################################
###############################################################################

class Gate(object):
    """Something to wait at: open() lets everybody go on."""

    def __init__(self, world):
        self.world, self.waiting = world, []

    def wait(self, function):
        self.waiting.append(function)

    def open(self):
        waiting, self.waiting = self.waiting, []
        for function in waiting:
            self.world.at(0, function)


class Task(object):
    """A generator driven by virtual time, on one xapi, until it ends or that
    xapi does.  ended(error) is called once, unless xapi dies first."""

    def __init__(self, process, generator, ended):
        self.world, self.process = process.world, process
        self.generator, self.ended, self.dead = generator, ended, False
        process.tasks.append(self)
        self.step()

    def step(self):
        if self.dead:
            return
        try:
            for wait in self.generator:
                break
            else:
                return self.end(None)
        except KNOWN:
            return self.end(caught())
        if isinstance(wait, Gate):
            wait.wait(self.step)
        else:
            self.world.at(wait, self.step)

    def end(self, error):
        if not self.dead:
            self.dead = True
            self.process.tasks.remove(self)
            self.ended(error)


class Work(object):
    """Something that a host does for the master: it takes time, it goes on
    when the master is gone, and it dies with the host or its xapi."""

    def __init__(self, process, seconds, effect):
        self.process, self.effect, self.over, self.error = process, effect, False, None
        self.gate, self.lives, self.seconds, self.begun = Gate(process.world), True, seconds, False
        process.works.append(self)
        self.begin_next()
        process.queued += not self.begun

    def begin_next(self):
        """The first that waits for a worker, if there is one for it."""
        works = self.process.works
        waiting = [work for work in works if not work.begun]
        if waiting and len(works) - len(waiting) < WORKERS:
            waiting[0].begun = True
            self.process.world.at(waiting[0].seconds, waiting[0].finish)

    def finish(self):
        if not self.lives:
            return
        self.process.works.remove(self)
        self.begin_next()
        try:
            self.effect()
        except ApiError:
            self.error = caught()
        self.end()

    def end(self):
        """Tell the master, but a hung xapi tells nothing."""
        self.lives = False
        if self.process.state != 'hung':
            self.over = True
            self.gate.open()

    def die(self, silently):
        """Its xapi ended; silently: so did the machine, and nobody hears."""
        self.lives = False
        if not silently:
            self.error = ApiError('CANNOT_CONTACT_HOST', [self.process.host.uuid])
            self.over = True
            self.gate.open()


class Call(object):
    """One `xe`: the client on its host, connected to one xapi, perhaps
    relayed to another.  `out` and `err` are what it has printed so far."""

    def __init__(self, pool, host, argv, done, feed):
        self.pool, self.host, self.argv = pool, host, list(argv)
        self.done, self.feed = done, feed
        self.boots, self.alive, self.over = host.boots, True, False
        self.process = self.server = None       # connected to; executes it
        self.out, self.err, self.status = [], [], None

    def client_killed(self):
        """Nobody listens any more.  What the server does for it goes on."""
        self.alive = False

    def listens(self):
        return self.alive and self.host.powered and self.host.boots == self.boots

    def finish(self, status, error=''):
        """The client ends, if it still lives."""
        if self.over:
            return
        self.over, self.status = True, status
        self.err.append(error)
        if self.process and self in self.process.calls:
            self.process.calls.remove(self)
        if self.listens():
            self.alive = False
            self.done(status, ''.join(self.out), ''.join(self.err))


class Request(object):
    """What a command works with: its parameters, the database, its printer."""

    def __init__(self, pool, process, call, name, params):
        self.pool, self.process, self.call, self.name = pool, process, call, name
        self.world, self.costs, self.era = pool.world, pool.world.costs, pool.era
        self.params, self.schema = params, pool.schema
        self.minimal, self.buffer = parse_minimal(params), []

    def db_now(self):
        return self.process.database

    db = property(db_now)

    def value(self, name, default=None):
        """The first of that name; section 2."""
        for key, value in self.params:
            if key == name:
                return value
        return default

    def flag(self, name):
        text = self.value(name)
        return text is not None and parse_flag(name, text)

    def others(self, *names):
        """Parameters that are not reserved and not among the names."""
        return [(name, value) for name, value in self.params
                if name.split(':', 1)[0] not in RESERVED
                and name.split(':', 1)[0] not in names]

    # -- xapi's printer; 4.2 ----

    def say(self, text):
        """A plain message: nothing of it with --minimal."""
        if not self.minimal:
            self.call.out.append(text + '\n')

    def say_list(self, lines):
        if self.minimal:
            self.buffer.insert(0, ','.join([escaped(line) for line in lines]))
        else:
            self.call.out.extend([line + '\n' for line in lines])

    def say_records(self, layout, rows, all_values=False):
        db = self.db
        if self.minimal:
            if rows and layout.fields:
                first = [escaped(layout.first(db, row, all_values)) for row in rows]
                self.buffer.insert(0, ','.join(first))
        else:
            self.call.out.extend([layout.block(db, row, all_values) for row in rows])

    def say_pairs(self, pairs):
        """A table that is no record of a class: the same widths; 7.2."""
        width = 4 + max([0] + [len(name) for name, _ in pairs])
        lines = []
        for name, text in pairs:
            if lines:
                lines.append('%s: %s' % (name.rjust(width), text))
            else:
                lines.append('%s: %s' % (name.ljust(width), text))
        self.say('\n'.join(lines) + '\n\n')

    def flush(self):
        if self.minimal:
            self.call.out.append(','.join(self.buffer) + '\n')


def escaped(text):
    return text.replace('\\', '\\\\').replace(',', '\\,')


###############################################################################
# Records: lists, filters, param-* ############################################
###############################################################################

def list_records(r, prefix):
    """`CLASS-list`; sections 4.1 to 4.5."""
    kind, defaults, fields = LISTS[prefix]
    filters = [(name, value) for name, value in r.params
               if name != 'params' and name not in RESERVED
               and not name.startswith('database:')]
    rows = filtered(r, kind, list(defaults), filters)
    if r.flag('all'):
        rows = r.db.rows(kind)
    chosen = r.value('params', fields.replace(' ', ',') or 'all')
    r.say_records(r.schema.layout(kind, chosen), rows)


def filtered(r, kind, implicit, filters):
    """The rows that pass all filters.  A uuid is looked up first: that
    changes nothing, because the implicit filters never fail."""
    if filters and filters[0][0] == 'uuid':
        row = r.db.get(kind, filters[0][1])
        rows = [row for row in (row,) if row is not None]
        filters = filters[1:]
    else:
        rows = r.db.rows(kind)
    for name, value in implicit + filters:
        if rows:                        # else the name is not even looked at; 2.1
            rows = narrowed(r, kind, rows, name, value)
    return rows


def narrowed(r, kind, rows, name, value):
    db = r.db
    field, rest = r.schema.find(kind, name)
    if rest is None:
        if field.name == 'MAC':
            return [row for row in rows if field.text(db, row).lower() == value.lower()]
        return [row for row in rows if field.text(db, row) == value]
    if field.is_map:
        return [row for row in rows if map_get(field.value(db, row), rest) == value]
    if rest != 'contains':
        raise CliError('Invalid syntax for set filtering (should be '
                       'set-param:contains=key)')
    return [row for row in rows if value in field.value(db, row)]


def param_list(r, kind):
    row = r.db.need(kind, r.value('uuid'))
    r.say_records(r.schema.layout(kind, 'all'), [row], True)


def field_named(r, kind, name):
    field = r.schema.index[kind].get(name)
    if field is None:
        raise ApiError('Missing parameter', [name])
    return field


def param_get(r, kind):
    row = r.db.need(kind, r.value('uuid'))
    field = field_named(r, kind, r.value('param-name'))
    key = r.value('param-key')
    if key is None or not field.is_map:
        return r.say_list([field.text(r.db, row)])
    value = map_get(field.value(r.db, row), key)
    if value is None:
        raise CliError('Key %s not found in map' % key)
    r.say_list([value])


def param_set(r, kind):
    """In order, not atomically: readers see a key gone before it is back.  5"""
    uuid = r.value('uuid')
    r.db.need(kind, uuid)
    for name, text in r.others('uuid'):
        field, rest = r.schema.find(kind, name)
        if rest is None:
            set_field(r, kind, uuid, field, text)
        elif field.is_set:
            raise CliError('Cannot param-set on set fields')
        elif not field.writable:
            raise CliError("Map field '%s' is read-only." % field.name)
        else:
            pairs = r.db.need(kind, uuid).get(field.key, ())
            if map_get(pairs, rest) is not None:
                r.db.set(kind, uuid, **{field.key: map_without(pairs, rest)})
                yield MAP_GAP
            pairs = r.db.need(kind, uuid).get(field.key, ())
            r.db.set(kind, uuid, **{field.key: map_with(pairs, rest, text)})


def set_field(r, kind, uuid, field, text):
    if not field.writable:
        raise CliError("Field '%s' is read-only." % field.name)
    if field.is_set or field.is_map:
        raise CliError("Field '%s' is a map or set. use the 'name:key=value' syntax."
                       % field.name)
    r.db.set(kind, uuid, **{field.key: parsed(r, field, text)})


def parsed(r, field, text):
    if field.name == 'ha-restart-priority' and (
            text not in ('restart', 'best-effort', '')):
        raise ApiError('INVALID_VALUE', ['ha_restart_priority', text])
    if field.type == 'r' and text:
        r.db.need(POINTS_TO.get(field.name, 'task'), text)
    parse = {'i': parse_int, 'b': parse_bool, 'm': parse_memory}.get(field.type)
    if parse:
        return parse(field.name, text)
    return text


def param_add(r, kind):
    uuid = r.value('uuid')
    row = r.db.need(kind, uuid)
    field = field_named(r, kind, r.value('param-name'))
    if not (field.is_set or field.is_map):
        raise CliError('Can only add to parameters of type Set or Map')
    if not field.writable:
        raise CliError('Parameter is read-only')
    values = row.get(field.key, ())
    if field.is_map:
        for key, text in r.others('uuid', 'param-name', 'param-key'):
            if map_get(values, key) is not None:
                raise ApiError('MAP_DUPLICATE_KEY',
                               [INTERNAL.get(kind, kind), field.key, uuid, key])
            values = map_with(values, key, text)
            r.db.set(kind, uuid, **{field.key: values})
        return
    key = r.value('param-key')
    if key is None:
        raise CliError('When adding a key to a set, use the syntax: *-param-add '
                       'param-name=<name> param-key=<key>')
    if key not in values:
        r.db.set(kind, uuid, **{field.key: values + (key,)})


def param_remove(r, kind):
    uuid, key = r.value('uuid'), r.value('param-key')
    row = r.db.need(kind, uuid)
    field = field_named(r, kind, r.value('param-name'))
    if not (field.is_set or field.is_map):
        raise CliError('Can only remove from parameters of type Set or Map')
    if not field.writable:
        raise CliError('Cannot remove parameters from read-only map')
    values = row.get(field.key, ())
    if field.is_map:
        if map_get(values, key) is None:
            raise CliError('Key %s is not in map' % key)
        r.db.set(kind, uuid, **{field.key: map_without(values, key)})
    else:
        if key not in values:
            raise CliError('Key %s is not in the set' % key)
        r.db.set(kind, uuid, **{field.key: tuple([v for v in values if v != key])})


def param_clear(r, kind):
    uuid = r.value('uuid')
    r.db.need(kind, uuid)
    field = field_named(r, kind, r.value('param-name'))
    if not field.writable:
        raise CliError('Can only clear RW parameters')
    if field.is_set or field.is_map:
        r.db.set(kind, uuid, **{field.key: ()})
    elif field.type in 'ibmf':
        raise CliError('Cannot clear this parameter')
    else:
        r.db.set(kind, uuid, **{field.key: ''})


###############################################################################
# Machines: contact with other hosts ##########################################
###############################################################################

def contact(source, target):
    """What comes of one attempt of a xapi to talk to another: 'answer',
    'refused' (at once), 'silent' (after a while) or 'hang'."""
    if source is target:
        return 'answer'
    if not source.world.reaches(source.host.name, target.host.name):
        return 'silent'
    if target.state == 'hung':
        return 'hang'
    if target.answers():
        return 'answer'
    return 'refused'


def find_dead(r, host, verdict):
    """Append True to verdict when the host counts as dead: live=false, or a
    single attempt to talk to it fails.  A wedged one blocks.  7.4"""
    while r.db.need('host', host)['live']:
        how = contact(r.process, r.pool.process_of(host))
        if how == 'hang':
            yield r.pool.process_of(host).changes
            continue
        if how == 'silent':
            yield r.costs.dead_check
        verdict.append(how != 'answer')
        return
    verdict.append(True)


def reach(r, host):
    """Until the host's xapi takes a forwarded call; 8(c)."""
    tries = 0
    target = r.pool.process_of(host)
    while target is not r.process:
        if not r.db.need('host', host)['live']:
            raise ApiError('HOST_OFFLINE', [host])
        how = contact(r.process, target)
        if how == 'answer':
            check_follows(r.process, target)
            return
        if how == 'hang':
            yield target.changes
            continue
        tries += 1
        if how == 'silent':
            yield r.costs.dead_check
        if tries > FORWARD_RETRIES:
            raise ApiError('CANNOT_CONTACT_HOST', [host])
        yield FORWARD_PAUSE


def check_follows(master, target):
    """A host takes no calls in the name of a master that is not its own."""
    if target.state == 'emergency':
        raise ApiError(*target.reason)
    if target.state != 'up':
        raise ApiError('HOST_STILL_BOOTING')
    if target.role != 'slave:' + master.host.address:
        raise ApiError('SESSION_INVALID', [ref_of(master.host.uuid)])


def on_host(r, host, seconds, effect):
    """Have the host do something; returns when the master has heard of it,
    which may be never: a host that loses power says nothing more.  8(c)"""
    for wait in reach(r, host):
        yield wait
    work = Work(r.pool.process_of(host), seconds, effect)
    while not work.over:
        yield work.gate
    while not r.pool.hears(r.process, work.process):
        yield r.pool.links
    if work.error:
        raise work.error


# -- storage ----

def open_disks(r, vm, host):
    """Attach the VDIs on the host: mark them, unless another host's mark is
    there; 8(e)."""
    row = r.db.need('vm', vm)
    for vdi in disks_of(r.db, row):
        sr = r.db.need('sr', vdi['SR'])
        if sr['shared'] and not r.pool.host_of(host).storage:
            raise ApiError('SR_BACKEND_FAILURE_47', [
                '', 'The SR is not available [opterr=no such volume group: '
                    'VG_XenStorage-%s]' % sr['uuid'], ''])
        for key, _ in vdi['sm_config']:
            if key.startswith('host_') and key != lock_key(host):
                for wait in check_lock(r, vdi, key):
                    yield wait
    lock_disks(r.db, row, host)


def check_lock(r, vdi, key):
    """Another host's mark: ask it, and fail whatever it says.  Only the mark
    of a host that the database does not know is cleared."""
    holder = r.db.find(key[len('host_'):])
    if holder is None:
        marks = r.db.need('vdi', vdi['uuid'])['sm_config']
        r.db.set('vdi', vdi['uuid'], sm_config=map_without(marks, key))
        return
    try:
        for wait in reach(r, holder['uuid']):
            yield wait
        reason = 'VDI %s not detached cleanly' % vdi['uuid']
        if is_open(r, vdi, holder['uuid']):
            reason = 'VDI %s already attached RW' % vdi['uuid']
    except ApiError:
        error = caught()
        reason = "['%s', '%s']" % (error.code, holder['ref'])
    raise ApiError('SR_BACKEND_FAILURE_46',
                   ['', 'The VDI is not available [opterr=%s]' % reason, ''])


def is_open(r, vdi, host):
    return r.pool.process_of(host).opens(r.db, vdi)


###############################################################################
# Machines: VMs ###############################################################
###############################################################################

def selected_vms(r, options, control=False):
    """Selectors: every other parameter is a field filter; 7.1."""
    return selected(r, 'vm', options, [('is-a-template', 'false')] +
                    [('is-control-domain', 'false')] * (not control))


def selected(r, kind, options, implicit):
    filters, word = [], None
    for name, value in r.others(*options):
        if name == kind and word is None:
            word = value
        else:
            filters.append((name, value))
    rows = filtered(r, kind, implicit, filters)
    if word is not None:
        rows = [row for row in rows if word in names_of(r, kind, row)]
    return [row['uuid'] for row in rows]


def names_of(r, kind, row):
    """What `vm=` and `host=` match; hostname only in the new era: 7.5."""
    if kind == 'host' and r.era:
        return row['uuid'], row['name_label'], row['hostname']
    return row['uuid'], row['name_label']


def each_vm(r, options, operation, control=False):
    """Run operation(vm uuid), a generator, on the selected VMs; 7.1."""
    vms = selected_vms(r, options, control)
    if not vms:
        raise CliError('No matching VMs found')
    if len(vms) > 1 and not r.flag('multiple'):
        raise CliError('Multiple matches VMs found. --multiple required to complete '
                       'the operation')
    return each(r, vms, operation)


def each_host(r, options, operation, multiple=True):
    hosts = selected(r, 'host', options, [])
    if not hosts:
        raise CliError('No matching hosts found')
    if len(hosts) > 1 and not multiple:
        raise CliError('Multiple matching hosts found. Operation can only be '
                       'performed on one host at a time')
    if len(hosts) > 1 and not r.flag('multiple'):
        raise CliError('Multiple matching hosts found. --multiple required to '
                       'complete the operation')
    return each(r, hosts, operation)


def each(r, uuids, operation):
    """One: its error is the command's.  Several: all are tried; 3(7)."""
    failures = []
    for uuid in uuids:
        try:
            for wait in operation(uuid):
                yield wait
        except (ApiError, CliError):
            if len(uuids) == 1:
                raise
            failures.insert(0, (uuid, one_line(caught(), r.era, r.db)))
    if failures:
        raise Multiple(failures)


def bad_state(vm, states):
    return ApiError('VM_BAD_POWER_STATE',
                    [vm['uuid'], ', '.join(states), vm['power_state']])


def exclusive(r, vm, operation, states, body):
    """Hold the VM for an operation.  Checked in xapi's order: blocked, power
    state, then another operation, for which it waits.  7.2, 8(j)"""
    while 1:
        row = r.db.need('vm', vm)
        blocked = map_get(row.get('blocked_operations', ()), operation)
        if blocked is not None:
            raise ApiError('OPERATION_BLOCKED', [vm, blocked])
        if row['power_state'] not in states:
            raise bad_state(row, states)
        if not row['current_operations']:
            break
        yield r.process.gate(vm)
    task = begin_operation(r, vm, operation)
    try:
        for wait in body:
            yield wait
            if not [pair for pair in r.db.need('vm', vm)['current_operations']
                    if pair[0] == task]:
                raise ApiError('TASK_CANCELLED', [task])
    except (ApiError, CliError):
        end_operation(r, vm, task)
        raise
    end_operation(r, vm, task)


def begin_operation(r, vm, operation):
    task = r.world.new_uuid('task')
    r.db.create('task', task, name_label='Async.VM.%s' % operation, name_description='',
                status='pending',
                resident_on=r.process.host.uuid, created=r.pool.wall())
    r.db.set('vm', vm, current_operations=((task, operation),))
    return task


def end_operation(r, vm, task):
    """Others who wait for the VM go on."""
    r.db.destroy('task', task)
    row = r.db.get('vm', vm)
    if row:
        r.db.set('vm', vm, current_operations=tuple(
            [pair for pair in row['current_operations'] if pair[0] != task]))
    r.process.gate(vm).open()


def cancel_operations(r, vm, names):
    """A forced shutdown cancels a clean one and a migration; 7.3."""
    row = r.db.need('vm', vm)
    if [name for _, name in row['current_operations'] if name in names]:
        r.db.set('vm', vm, current_operations=())
        r.process.gate(vm).open()


# -- start and resume ----

def find_host(r, word):
    """`on=`: a uuid or a name-label, the first that matches; 7.2."""
    for row in r.db.rows('host'):
        if word in (row['uuid'], row['name_label']):
            return row['uuid']
    raise CliError('Host %s not found' % word)


def vm_start(r):
    def operation(vm):
        return with_message(r, vm, 'VM_STARTED', start_one(
            r, vm, r.value('on'), 'start', 'halted', r.flag('paused')))
    return each_vm(r, ('on', 'paused', 'progress'), operation, True)


def vm_resume(r):
    def operation(vm):
        return start_one(r, vm, r.value('on'), 'resume', 'suspended', False)
    return each_vm(r, ('on', 'progress'), operation)


def start_one(r, vm, on, verb, state, paused):
    host = None
    if on is not None:
        host, verb = find_host(r, on), verb + '_on'
    try:
        for wait in exclusive(r, vm, verb, (state,),
                              place_and_boot(r, vm, host, paused)):
            yield wait
    except ApiError:
        if caught().code == 'NO_HOSTS_AVAILABLE':
            tell_objections(r, vm)
        raise


def tell_objections(r, vm):
    """The table of reasons, per host; 7.2."""
    r.say('There are no suitable hosts to start this VM on.\n'
          'The following table provides per-host reasons for why the VM could not be '
          'started:\n')
    row = r.db.need('vm', vm)
    r.say_pairs([(host['name_label'],
                  reason_text(r, boot_objection(r.db, row, host, free_memory(r.db))))
                 for host in r.db.rows('host')])


def reason_text(r, error):
    if error is None:
        return 'OK'
    reasons = {'HOST_NOT_LIVE': 'Host down',
               'HOST_NOT_ENOUGH_FREE_MEMORY': 'Not enough free memory',
               'HOST_DISABLED': "Host disabled (use 'xe host-enable' to re-enable)"}
    if error.code == 'VM_REQUIRES_SR':
        return 'Cannot start here [VM requires access to SR: %s]' % (
            readable(r.db, error.params[1]),)
    return 'Cannot start here [%s]' % reasons[error.code]


def place_and_boot(r, vm, host, paused):
    """Choose a host or check the given one, boot there, sleep start-delay
    (twice when the host was given: on the target and on the master).  7.2"""
    delay = r.db.need('vm', vm)['start_delay']
    if host is None:
        host = chosen_host(r, vm)
    else:
        delay = 2 * delay
        check_host(r, vm, host)
    r.db.set('vm', vm, scheduled=host)
    try:
        for wait in boot(r, vm, host, paused):
            yield wait
    except ApiError:
        r.db.set('vm', vm, scheduled='')
        raise
    if delay:
        yield delay


def check_host(r, vm, host):
    objection = boot_objection(r.db, r.db.need('vm', vm), r.db.need('host', host),
                               free_memory(r.db))
    if objection:
        raise objection


def chosen_host(r, vm):
    """As the master chooses: live and enabled by the database, which may be
    wrong; enough memory if any has; affinity first, then most memory."""
    row, free = r.db.need('vm', vm), free_memory(r.db)
    every = r.db.rows('host')
    hosts = ([h for h in every if not boot_objection(r.db, row, h, free)]
             or [h for h in every if not boot_objection(r.db, row, h, None)])
    if not hosts:
        raise ApiError('NO_HOSTS_AVAILABLE')
    hosts.sort(key=lambda h: (h['uuid'] != row['affinity'], -free[h['uuid']], h['ref']))
    return hosts[0]['uuid']


def boot(r, vm, host, paused):
    """The start on the host itself: memory, disks, domain."""
    if r.pool.broken:
        raise ApiError(*r.pool.broken)
    for wait in reach(r, host):
        yield wait
    check_memory(r, vm, host)
    for wait in open_disks(r, vm, host):
        yield wait
    state = {True: 'paused', False: 'running'}[bool(paused)]

    def effect():
        r.pool.start_domain(host, vm, state)
    try:
        for wait in on_host(r, host, r.costs.start, effect):
            yield wait
    except ApiError:
        unlock_disks(r.db, r.db.need('vm', vm), host)
        raise
    set_running(r.db, vm, host, state, r.pool.process_of(host).new_domid())


def check_memory(r, vm, host):
    """What the host itself has free; its own start is already counted."""
    row = r.db.need('vm', vm)
    free = free_memory(r.db)[host]
    if row['scheduled'] == host:
        free += footprint(row)
    if free < footprint(row):
        raise ApiError('HOST_NOT_ENOUGH_FREE_MEMORY',
                       ['%d' % footprint(row), '%d' % max(0, free)])


# -- stop, pause, move ----

def vm_shutdown(r):
    if r.flag('force'):
        return each_vm(r, ('progress',), lambda vm: with_message(
            r, vm, 'VM_SHUTDOWN', hard_shutdown(r, vm)))
    return each_vm(r, ('progress',), lambda vm: with_message(
        r, vm, 'VM_SHUTDOWN', exclusive(r, vm, 'clean_shutdown', ('running',),
                                        stop_domain(r, vm, True, 'halted'))))


def with_message(r, vm, name, operation):
    """xapi writes one for what it was told to do, and for nothing else."""
    for wait in operation:
        yield wait
    r.db.create('message', r.world.new_uuid('message'), name=name, priority=5,
                obj_uuid=vm, timestamp=r.pool.wall(), body='', **{'class': 'VM'})


def hard_shutdown(r, vm):
    cancel_operations(r, vm,
                      ('clean_shutdown', 'clean_reboot', 'hard_reboot', 'pool_migrate'))
    return exclusive(r, vm, 'hard_shutdown', ('paused', 'suspended', 'running'),
                     stop_domain(r, vm, False, 'halted'))


def stop_domain(r, vm, clean, state):
    """On the host where the database places it; a suspended VM has none."""
    row = r.db.need('vm', vm)
    if row['resident_on']:
        for wait in end_domain(r, vm, row['resident_on'], clean):
            yield wait
    set_ended(r.db, vm, state)
    if row['shutdown_delay'] and state == 'halted':
        yield row['shutdown_delay']


def end_domain(r, vm, host, clean):
    def effect():
        r.pool.stop_domain(host, vm)

    def refuse():
        raise ApiError('VM_SHUTDOWN_TIMEOUT', [vm, '%.1f' % GUEST_TIMEOUT])
    if clean and vm in r.pool.deaf:
        return on_host(r, host, GUEST_TIMEOUT, refuse)
    return on_host(r, host, r.costs.shutdown, effect)


def vm_reboot(r):
    clean = not r.flag('force')

    def body(vm):
        host = r.db.need('vm', vm)['resident_on']
        for wait in end_domain(r, vm, host, clean):
            yield wait
        for wait in on_host(r, host, r.costs.start,
                            lambda: r.pool.start_domain(host, vm, 'running')):
            yield wait
        set_running(r.db, vm, host, 'running', r.pool.process_of(host).new_domid())
    if clean:
        return each_vm(r, ('progress',),
                       lambda vm: exclusive(r, vm, 'clean_reboot', ('running',),
                                            body(vm)))
    return each_vm(r, ('progress',),
                   lambda vm: exclusive(r, vm, 'hard_reboot', ('paused', 'running'),
                                        body(vm)))


def vm_suspend(r):
    return each_vm(r, ('progress',), lambda vm: exclusive(
        r, vm, 'suspend', ('running',), stop_domain(r, vm, True, 'suspended')))


def turn(r, vm, state):
    """Pause or unpause where it is."""
    host = r.db.need('vm', vm)['resident_on']
    for wait in on_host(r, host, 0, lambda: r.pool.turn_domain(host, vm, state)):
        yield wait
    r.db.set('vm', vm, power_state=state)


def vm_pause(r):
    return each_vm(r, ('progress',),
                   lambda vm: exclusive(r, vm, 'pause', ('running',),
                                        turn(r, vm, 'paused')))


def vm_unpause(r):
    return each_vm(r, ('progress',),
                   lambda vm: exclusive(r, vm, 'unpause', ('paused',),
                                        turn(r, vm, 'running')))


def vm_migrate(r):
    word = r.value('host', r.value('host-uuid', r.value('host-name')))
    if word is None:
        raise CliError('No destination host specified.')

    def operation(vm):
        target = find_host(r, word)
        return exclusive(r, vm, 'pool_migrate', ('running',), move(r, vm, target))
    return each_vm(r, ('host', 'host-uuid', 'host-name', 'live', 'copy', 'compress',
                       'progress'), operation)


def move(r, vm, target):
    """Live migration: both hosts must be there at the end of it."""
    source = r.db.need('vm', vm)['resident_on']
    if source == target:
        return
    check_host(r, vm, target)
    for wait in reach(r, target):
        yield wait

    def effect():
        if not r.pool.hears(r.pool.process_of(source), r.pool.process_of(target)):
            raise ApiError('INTERNAL_ERROR', ['Unix_error: Connection reset by peer'])
        r.pool.stop_domain(source, vm)
        r.pool.start_domain(target, vm, 'running')
    for wait in on_host(r, source, r.costs.migrate, effect):
        yield wait
    row = r.db.need('vm', vm)
    unlock_disks(r.db, row, source)
    lock_disks(r.db, row, target)
    set_running(r.db, vm, target, 'running', r.pool.process_of(target).new_domid())


def vm_reset_powerstate(r):
    check_force(r)
    return each_vm(r, (), lambda vm: reset_one(r, vm))


def check_force(r):
    if not r.flag('force'):
        raise CliError(DANGEROUS[r.era])


def reset_one(r, vm):
    """Only the database; never asks the guest.  Its check is no fence: a
    host that cannot be reached counts as dead.  7.4"""
    row = r.db.need('vm', vm)
    host = row['resident_on']
    if row['power_state'] in ('running', 'paused') and host:
        if host == r.process.host.uuid:
            if vm in r.process.host.domains:
                raise ApiError('DOMAIN_EXISTS', [vm, '%d' % row['dom_id']])
        else:
            verdict = []
            for wait in find_dead(r, host, verdict):
                yield wait
            if not verdict[0]:
                raise ApiError('HOST_IS_LIVE', [host])
    set_halted(r.db, vm)
    r.db.set('vm', vm, current_operations=())
    r.process.gate(vm).open()


###############################################################################
# Machines: hosts and storage #################################################
###############################################################################

def host_disable(r):
    return each_host(r, ('auto-enable',), lambda host: enable_on_host(r, host, False))


def host_enable(r):
    def operation(host):
        config = r.db.need('host', host)['other_config']
        r.db.set('host', host, other_config=map_without(config, 'MAINTENANCE_MODE'))
        return enable_on_host(r, host, True)
    return each_host(r, (), operation)


def enable_on_host(r, host, enabled):
    """Forwarded to the host: impossible for a dead one.  7.5"""
    for wait in reach(r, host):
        yield wait
    if enabled and not r.pool.process_of(host).settled:
        raise ApiError('HOST_STILL_BOOTING')
    r.db.set('host', host, enabled=enabled)


def host_evacuate(r):
    return each_host(r, ('network-uuid', 'batch-size'), lambda host: evacuate(r, host),
                     False)


def evacuate(r, host):
    """Every VM to another host, one after the other; stops at an error."""
    for vm in list(resident_vms(r.db, r.db.need('host', host))):
        row = r.db.need('vm', vm)
        if row['is_control_domain'] or row['power_state'] != 'running':
            continue
        free = free_memory(r.db)
        others = [h for h in r.db.rows('host')
                  if h['uuid'] != host and not boot_objection(r.db, row, h, free)]
        if not others:
            raise ApiError('NO_HOSTS_AVAILABLE', [vm])
        others.sort(key=lambda h: (-free[h['uuid']], h['ref']))
        for wait in exclusive(r, vm, 'pool_migrate', ('running',),
                              move(r, vm, others[0]['uuid'])):
            yield wait


def host_forget(r):
    r.db.need('host', r.value('uuid'))
    if r.flag('force') or said_yes(r, FORGET_WARNING):
        return forget(r, r.value('uuid'))


def host_declare_dead(r):
    r.db.need('host', r.value('uuid'))
    if r.flag('force') or said_yes(r, DEAD_WARNING):
        return declare_dead(r, r.value('uuid'))


def said_yes(r, warnings):
    """The prompt, also with --minimal; anything but yes aborts with 0; 7.5."""
    r.call.out.extend([line + '\n' for line in warnings] + ["Type 'yes' to continue\n"])
    if not r.call.feed:
        raise NoInput()
    answer = r.call.feed.split('\n')[0]
    if answer.strip().lower() == 'yes':
        return True
    r.call.out.append("Aborted (you typed: '%s')\n" % answer)
    return False


def check_gone(r, host):
    """Neither the master itself nor a host that answers."""
    verdict = [False]
    if host != r.process.host.uuid:
        verdict = []
        for wait in find_dead(r, host, verdict):
            yield wait
    if not verdict[0]:
        raise ApiError('HOST_IS_LIVE', [host])


def guests_of(r, host):
    rows = [r.db.need('vm', vm) for vm in resident_vms(r.db, r.db.need('host', host))]
    return [row['uuid'] for row in rows if not row['is_control_domain']]


def forget(r, host):
    if r.db.pool()['ha_enabled']:
        raise ApiError('HA_IS_ENABLED')
    for wait in check_gone(r, host):
        yield wait
    if guests_of(r, host):
        raise ApiError('HOST_HAS_RESIDENT_VMS', [host])
    unlock_all(r.db, host)
    remove_host(r.db, host)


def remove_host(db, host):
    """A host and all that hangs on it."""
    for kind, key in (('pbd', 'host'), ('pif', 'host')):
        for uuid in [row['uuid'] for row in db.rows(kind) if row[key] == host]:
            db.destroy(kind, uuid)
    for sr in db.rows('sr'):
        db.set('sr', sr['uuid'],
               PBDs=tuple([pbd for pbd in sr['PBDs'] if db.get('pbd', pbd)]))
    for vm in db.rows('vm'):
        if vm['is_control_domain'] and vm['resident_on'] == host:
            db.destroy('vm', vm['uuid'])
        elif host in (vm['affinity'], vm['resident_on']):
            db.set('vm', vm['uuid'],
                   **dict([(key, '') for key in ('affinity', 'resident_on')
                           if vm[key] == host]))
    db.destroy('host', host)


def declare_dead(r, host):
    """Reset every VM there, each with its own check; then the hooks that
    clear the locks.  The live flag stays as it is.  7.5"""
    for wait in check_gone(r, host):
        yield wait
    for vm in guests_of(r, host):
        for wait in reset_one(r, vm):
            yield wait
    r.db.set('host', host, enabled=False)
    unlock_all(r.db, host)


def host_is_in_emergency_mode(r):
    r.say(show_bool(r.process.state in ('emergency', 'starting')
                    and not r.process.role == 'master'))


# -- storage ----

def pbd_plug(r):
    pbd = r.db.need('pbd', r.value('uuid'))
    for wait in on_host(r, pbd['host'], 0, lambda: None):
        yield wait
    r.db.set('pbd', pbd['uuid'], currently_attached=True)


def pbd_unplug(r):
    """Forwarded to the PBD's host.  7.6"""
    pbd = r.db.need('pbd', r.value('uuid'))
    for wait in reach(r, pbd['host']):
        yield wait
    for vm in resident_vms(r.db, r.db.need('host', pbd['host'])):
        for vdi in disks_of(r.db, r.db.need('vm', vm)):
            if vdi['SR'] == pbd['SR']:
                raise ApiError('VDI_IN_USE', [vdi['uuid'], 'detach'])
    r.db.set('pbd', pbd['uuid'], currently_attached=False)


def sr_forget(r):
    sr = r.db.need('sr', r.value('uuid'))
    if hosts_with(r.db, sr['uuid']):
        raise ApiError('SR_HAS_PBD', [sr['uuid']])
    for pbd in sr['PBDs']:
        r.db.destroy('pbd', pbd)
    for vdi in sr['VDIs']:
        r.db.destroy('vdi', vdi)
    r.db.destroy('sr', sr['uuid'])


# -- appliances ----

def appliance_start(r):
    """Group after group of the same `order`, each in parallel.  7.7"""
    uuid = r.db.need('appliance', r.value('uuid'))['uuid']
    vms = members(r, uuid)
    if not vms:
        raise ApiError('OPERATION_NOT_ALLOWED', ['Appliance has no VMs.'])
    halted = [vm for vm in vms if vm['power_state'] != 'running']
    if not [vm for vm in halted if vm['power_state'] == 'halted']:
        raise ApiError('OPERATION_NOT_ALLOWED',
                       ['There are no halted VMs in this appliance.'])

    def operation(vm):
        return exclusive(r, vm, 'start', ('halted',),
                         place_and_boot(r, vm, None, r.flag('paused')))
    return in_groups(r, uuid, 'start', groups(halted, False), operation)


def appliance_shutdown(r):
    uuid = r.db.need('appliance', r.value('uuid'))['uuid']
    force, vms = r.flag('force'), members(r, uuid)
    if not vms:
        raise ApiError('OPERATION_NOT_ALLOWED', ['Appliance has no VMs.'])
    running = [vm for vm in vms if vm['power_state'] == 'running'
               or force and vm['power_state'] != 'halted']
    if not running:
        raise ApiError('OPERATION_NOT_ALLOWED', [{
            True: 'All VMs in this appliance are halted.',
            False: 'There are no running VMs in this appliance.'}[force]])

    def operation(vm):
        if force:
            return hard_shutdown(r, vm)
        return exclusive(r, vm, 'clean_shutdown', ('running',),
                         stop_domain(r, vm, True, 'halted'))
    verb = {True: 'hard_shutdown', False: 'clean_shutdown'}[force]
    return in_groups(r, uuid, verb, groups(running, True), operation)


def members(r, appliance):
    return [vm for vm in r.db.rows('vm') if vm['appliance'] == appliance]


def groups(vms, descending):
    """[[vm uuid]] by order."""
    found = {}
    for vm in vms:
        found.setdefault(vm['order'], []).append(vm['uuid'])
    orders = sorted(found)
    if descending:
        orders.reverse()
    return [found[order] for order in orders]


def in_groups(r, appliance, verb, each_group, operation):
    """A later group starts when all of the earlier ended, well or not."""
    r.db.set('appliance', appliance,
             current_operations=((r.world.new_uuid('task'), verb),))
    failed = []
    for group in each_group:
        for wait in in_parallel(r, group, operation, failed):
            yield wait
    r.db.set('appliance', appliance, current_operations=())
    if failed:
        raise ApiError('OPERATION_PARTIALLY_FAILED', ['VM_appliance.' + verb] + failed)


def in_parallel(r, vms, operation, failed):
    """All at once; those that failed are appended."""
    gate, running = Gate(r.world), list(vms)

    def begin(vm):
        def ended(error):
            running.remove(vm)
            if error:
                failed.append(vm)
            gate.open()
        Task(r.process, operation(vm), ended)
    for vm in vms:
        begin(vm)
    while running:
        yield gate


def appliance_create(r):
    uuid = r.world.new_uuid('appliance')
    r.db.create('appliance', uuid, name_label=r.value('name-label'),
                name_description=r.value('name-description', ''), current_operations=())
    r.say_list([uuid])


def appliance_destroy(r):
    uuid = r.db.need('appliance', r.value('uuid'))['uuid']
    for vm in members(r, uuid):
        r.db.set('vm', vm['uuid'], appliance='')
    r.db.destroy('appliance', uuid)


# -- messages and tasks ----

def message_create(r):
    """7.9"""
    try:
        priority = int(r.value('priority'))
    except ValueError:
        raise CliError('Priority field should be an integer')
    for kind, name in (('vm', 'VM'), ('pool', 'Pool'), ('sr', 'SR'), ('host', 'Host')):
        about = r.value(kind + '-uuid')
        if about is not None:
            r.db.need(kind, about)
            r.db.create('message', r.world.new_uuid('message'), name=r.value('name'),
                        priority=priority,
                        obj_uuid=about, timestamp=r.pool.wall(), body=r.value('body'),
                        **{'class': name})
            return
    raise CliError('Need one of: vm-uuid, host-uuid, sr-uuid or pool-uuid')


def message_destroy(r):
    uuids = [uuid for uuid in (r.value('uuid'),) if uuid is not None]
    if r.value('uuids') is not None:
        if uuids:
            raise CliError('Ambiguous arguments; need one of uuid, uuids')
        uuids = r.value('uuids').split(',')
    if not uuids:
        raise CliError('Need one of uuid, uuids')
    for uuid in uuids:
        r.db.need('message', uuid)
    for uuid in uuids:
        r.db.destroy('message', uuid)


def task_cancel(r):
    r.db.need('task', r.value('uuid'))


###############################################################################
# Machines: the roles of the pool #############################################
###############################################################################

def pool_emergency_transition_to_master(r):
    """Local.  The file is written now, the restart comes later.  7.8"""
    process = r.process
    if process.database.pool()['ha_enabled']:
        raise ApiError('HA_IS_ENABLED')
    if process.role == 'master' and not r.flag('force'):
        return r.say_list(["Host agent is already master. Use '--force' to execute "
                           "the operation anyway."])
    process.change_role('master')
    r.say_list(['Host agent will restart and transition to master in %.3f seconds...'
                % r.costs.announce])


def pool_emergency_reset_master(r):
    """Local, also on a running master, without any check.  7.8"""
    address = r.value('master-address')
    if r.process.role != 'slave:' + address:
        r.process.change_role('slave:' + address)
    r.say_list(['Host agent will restart and become slave of %s in %.3f seconds...'
                % (address, r.costs.announce)])


def pool_recover_slaves(r):
    """Tell every other host once to follow this one; skip the silent.  7.8"""
    role, told = 'slave:' + r.process.host.address, []
    for host in [row['uuid'] for row in r.db.rows('host')]:
        target = r.pool.process_of(host)
        if target is r.process:
            continue
        how = contact(r.process, target)
        while how == 'hang':
            yield target.changes
            how = contact(r.process, target)
        if how == 'silent':
            yield r.costs.dead_check
        if how == 'answer':
            told.append(host)
            if target.role != role or target.conf() != role:
                target.change_role(role)
    r.say_list(told)


def pool_sync_database(r):
    r.pool.push(r.process, r.db.rows('host'))


def pool_designate_new_master(r):
    """Two phases; every host must answer.  Then all restart.  7.8"""
    new = r.pool.process_of(r.db.need('host', r.value('host-uuid'))['uuid'])
    targets = [r.pool.process_of(row['uuid']) for row in r.db.rows('host')]
    if new is r.process:
        return
    for target in targets:
        if contact(r.process, target) != 'answer':
            yield r.costs.dead_check
            raise ApiError('CANNOT_CONTACT_HOST', [target.host.uuid])
    yield COMMIT
    new.copy_of(r.db)
    for target in targets:
        role = 'slave:' + new.host.address
        if target is new:
            role = 'master'
        target.change_role(role, 1.0)


def pool_eject(r):
    """The host leaves: it becomes a pool of its own, with an empty database."""
    host = r.db.need('host', r.value('host-uuid'))['uuid']
    target = r.pool.process_of(host)
    if target is r.process:
        raise ApiError('OPERATION_NOT_ALLOWED', ['Host is the master of the pool.'])
    for wait in reach(r, host):
        yield wait
    if guests_of(r, host):
        raise ApiError('HOST_HAS_RESIDENT_VMS', [host])
    remove_host(r.db, host)
    target.database = r.pool.new_database(target.host)
    target.change_role('master')


def pool_ha_enable(r):
    r.db.set('pool', r.db.pool()['uuid'], ha_enabled=True)


def pool_ha_disable(r):
    r.db.set('pool', r.db.pool()['uuid'], ha_enabled=False)


###############################################################################
# The table of commands #######################################################
###############################################################################

class Command(object):
    """A word of `xe`: what it runs, what it needs, whether it is never
    forwarded to the master; 8(g)."""

    def __init__(self, function, required=(), local=False, kind=None):
        self.function, self.required = function, required
        self.local, self.kind = local, kind

    def run(self, r):
        """None, or a generator that is not finished yet."""
        if self.kind:
            return self.function(r, self.kind)
        return self.function(r)


COMMANDS = {
    'vm-start': Command(vm_start),
    'vm-shutdown': Command(vm_shutdown),
    'vm-reboot': Command(vm_reboot),
    'vm-suspend': Command(vm_suspend),
    'vm-resume': Command(vm_resume),
    'vm-pause': Command(vm_pause),
    'vm-unpause': Command(vm_unpause),
    'vm-migrate': Command(vm_migrate),
    'vm-reset-powerstate': Command(vm_reset_powerstate),
    'host-disable': Command(host_disable),
    'host-enable': Command(host_enable),
    'host-evacuate': Command(host_evacuate),
    'host-forget': Command(host_forget, ('uuid',)),
    'host-declare-dead': Command(host_declare_dead, ('uuid',)),
    'host-is-in-emergency-mode': Command(host_is_in_emergency_mode, (), True),
    'pbd-plug': Command(pbd_plug, ('uuid',)),
    'pbd-unplug': Command(pbd_unplug, ('uuid',)),
    'sr-forget': Command(sr_forget, ('uuid',)),
    'appliance-start': Command(appliance_start, ('uuid',)),
    'appliance-shutdown': Command(appliance_shutdown, ('uuid',)),
    'appliance-create': Command(appliance_create, ('name-label',)),
    'appliance-destroy': Command(appliance_destroy, ('uuid',)),
    'message-create': Command(message_create, ('name', 'priority', 'body')),
    'message-destroy': Command(message_destroy),
    'task-cancel': Command(task_cancel, ('uuid',)),
    'pool-emergency-transition-to-master': Command(pool_emergency_transition_to_master,
                                                   (), True),
    'pool-emergency-reset-master': Command(pool_emergency_reset_master,
                                           ('master-address',), True),
    'pool-recover-slaves': Command(pool_recover_slaves),
    'pool-sync-database': Command(pool_sync_database),
    'pool-designate-new-master': Command(pool_designate_new_master, ('host-uuid',)),
    'pool-eject': Command(pool_eject, ('host-uuid',)),
    'pool-ha-enable': Command(pool_ha_enable),
    'pool-ha-disable': Command(pool_ha_disable),
    }

for _prefix in LISTS:
    _kind = LISTS[_prefix][0]
    COMMANDS[_prefix + '-list'] = Command(list_records, (), False, _prefix)
    COMMANDS[_prefix + '-param-list'] = Command(param_list, ('uuid',), False, _kind)
    COMMANDS[_prefix + '-param-get'] = Command(param_get, ('uuid', 'param-name'), False,
                                               _kind)
    COMMANDS[_prefix + '-param-set'] = Command(param_set, ('uuid',), False, _kind)
    COMMANDS[_prefix + '-param-add'] = Command(param_add, ('uuid', 'param-name'), False,
                                               _kind)
    COMMANDS[_prefix + '-param-remove'] = Command(param_remove,
                                                  ('uuid', 'param-name', 'param-key'),
                                                  False, _kind)
    COMMANDS[_prefix + '-param-clear'] = Command(param_clear, ('uuid', 'param-name'),
                                                 False, _kind)


def help_text():
    return HELP + '\n' + ', '.join(sorted(COMMANDS)) + '\n'


###############################################################################
# Processes: one xapi per host ################################################
###############################################################################

class XapiProcess(object):
    """The xapi of a host: role as read at its start, state, database.

    state: 'up', 'starting', 'hung', 'stopped' or 'emergency' (then `reason`
    is a code and parameters).  `database` is the live one on a master, a copy
    taken at `copied` on a slave.  It outlives restarts: it is on the disk.
    """

    def __init__(self, pool, host):
        self.pool, self.world, self.host = pool, pool.world, host
        self.state, self.role, self.reason = 'stopped', None, None
        self.database, self.copied = None, 0.0
        self.epoch = 0                      # of this run; older events are void
        self.listening = False              # starting, but it answers already
        self.settled = False                # its VMs were compared with the database
        self.booted = False                 # no start of it was complete since the machine's boot
        self.pending = None                 # the restart that was announced
        self.tasks, self.works, self.calls = [], [], []
        self.queued = 0                 # works that had to wait for a worker
        self.gates, self.changes = {}, Gate(self.world)
        self.parked, self.backoff = [], 0   # relays that wait for the master
        self.heard, self.next_push, self.pushed = {}, 0.0, ''
        self.domids = 0

    def __repr__(self):
        return 'XapiProcess(%s, %s, %s)' % (self.host.name, self.state, self.role)

    def copy_of(self, database):
        self.database, self.copied = database.copy(), self.world.now

    def age(self):
        """Seconds since its database was the master's."""
        if self.state == 'up' and self.role == 'master':
            return 0.0
        return self.world.now - self.copied

    def conf(self):
        return self.host.files.get(POOL_CONF, '').strip()

    def master_address(self):
        if self.role and self.role.startswith('slave:'):
            return self.role[len('slave:'):]

    def answers(self):
        """To another xapi, or to a local client."""
        return (self.state in ('up', 'emergency')
                or self.state == 'starting' and self.listening)

    def gate(self, vm):
        return self.gates.setdefault(vm, Gate(self.world))

    def new_domid(self):
        self.domids += 1
        return self.domids

    # -- end ----

    def end(self, state, silently=False):
        """This run is over: its tasks die, its clients lose their connection.
        Silently: the machine lost power, and nobody hears of it."""
        self.epoch += 1
        self.state, self.reason = state, None
        self.listening = self.settled = False
        tasks, self.tasks = self.tasks, []
        for task in tasks:
            task.dead = True
        works, self.works = self.works, []
        for work in works:
            work.die(silently)
        self.gates, self.parked, self.backoff = {}, [], 0
        if self.pending:
            self.pending.cancel()
            self.pending = None
        self.drop_calls(silently)
        self.changes.open()

    def drop_calls(self, silently):
        """Local clients hear of it; relayed ones only if packets pass: if
        not they hang until their own xapi ends.  8(g)"""
        calls, self.calls = self.calls, []
        for call in calls:
            call.finish(1, LOST)
        for process in self.pool.processes():
            for call in list(process.calls):
                if call.server is self and process is not self:
                    call.server = None
                    if not silently and self.pool.hears(process, self):
                        call.finish(1, LOST)

    def freeze(self):
        """Hung: accepts and never answers.  Nothing it does ends any more."""
        self.epoch += 1
        for task in self.tasks:
            task.dead = True
        self.tasks, self.state, self.listening = [], 'hung', False
        self.changes.open()

    # -- start ----

    def begin(self, seconds, booted=False):
        """Start; ready after that many seconds.  pool.conf is read now: 9.1."""
        self.end('starting')
        self.booted, self.role, epoch = self.booted or booted, None, self.epoch
        conf = self.conf()
        if conf == 'master' or conf.startswith('slave:'):
            self.role = conf
        self.world.at(max(0.0, seconds - LISTENS_BEFORE), self.listen, epoch)
        self.world.at(seconds, self.ready, epoch)

    def listen(self, epoch):
        """A slave answers with HOST_STILL_BOOTING; a master that has not yet
        looked for another one answers with what it knows: 8(g), 9.6."""
        if epoch == self.epoch and self.role:
            self.listening = True
            self.changes.open()

    def ready(self, epoch):
        if epoch != self.epoch:
            return
        if self.role is None:
            self.emergency('HOST_BROKEN')
            self.world.at(BROKEN_RETRY, self.retry_broken, self.epoch)
        elif self.role == 'master':
            self.become_master()
        else:
            self.hello()

    def retry_broken(self, epoch):
        if epoch == self.epoch:
            self.begin(self.world.costs.restart)

    def emergency(self, code, *params):
        self.state, self.reason, self.listening = 'emergency', (code, params), False

    def restart(self, epoch=None):
        if epoch in (None, self.epoch):
            self.pending = None
            self.begin(self.world.costs.restart)

    def change_role(self, role, delay=None):
        """Write pool.conf now, restart later; until then it acts in its old
        role; 7.8, 9.1."""
        if delay is None:
            delay = self.world.costs.announce
        self.host.files[POOL_CONF] = role
        if self.pending is None:
            self.pending = self.world.at(delay, self.restart, self.epoch)

    # -- the master ----

    def become_master(self):
        """Its own copy is now the live database; 9.4 to 9.6.  First it looks
        for another master: if there is one, it follows that."""
        for row in self.database.rows('host'):
            other = self.pool.process_of(row['uuid'])
            if other is not self and self.pool.hears(self, other) and (
                    other.state, other.role) == ('up', 'master'):
                self.host.files[POOL_CONF] = 'slave:' + other.host.address
                return self.begin(self.world.costs.restart)
        self.state, self.listening = 'up', False
        db = self.database
        db.set('pool', db.pool()['uuid'], master=self.host.uuid)
        self.forget_operations(db)
        self.heard, self.next_push = {}, self.world.now + PUSH_EVERY
        for row in db.rows('host'):
            self.heard[row['uuid']] = self.world.now
            db.set('host', row['uuid'],
                   live=bool(self.pool.era or row['uuid'] == self.host.uuid))
        self.finish_start(db)

    def forget_operations(self, db):
        """No operation outlives the xapi that ran it."""
        for row in db.rows('task'):
            db.destroy('task', row['uuid'])
        for kind in ('vm', 'appliance'):
            for row in db.rows(kind):
                if row['current_operations'] or row.get('scheduled'):
                    db.set(kind, row['uuid'], current_operations=(), scheduled='')

    def collect(self):
        """Every 30 s: hosts not heard of for 600 s are no longer live; 9.2."""
        for row in self.database.rows('host'):
            silent = self.world.now - self.heard.get(row['uuid'], 0.0)
            if row['live'] and row['uuid'] != self.host.uuid and silent >= ASSUMED_DEAD:
                self.database.set('host', row['uuid'], live=False)
        if self.world.now >= self.next_push:
            self.push_next()

    def push_next(self):
        """The next slave in turn gets a fresh copy; 9.5."""
        self.next_push = self.world.now + PUSH_EVERY
        slaves = [row for row in self.database.rows('host')
                  if row['uuid'] != self.host.uuid]
        later = [row for row in slaves if row['ref'] > self.pushed] or slaves
        if later:
            self.pushed = later[0]['ref']
            self.pool.push(self, later[:1])

    # -- the slave ----

    def hello(self, epoch=None):
        """Report to the master, or be in emergency mode and try again: 8(g)."""
        if epoch not in (None, self.epoch):
            return
        problem = self.hello_problem()
        if problem:
            self.emergency(problem[0], *problem[1:])
            pause = HELLO_RETRY
            if problem[0] in ('HOST_UNKNOWN_TO_MASTER', 'HOST_ITS_OWN_SLAVE'):
                pause = HELLO_PERMANENT
            self.world.at(pause, self.hello, self.epoch)
            return
        master = self.pool.process_at(self.master_address())
        master.database.set('host', self.host.uuid, enabled=False, live=True,
                            address=self.host.address)
        master.heard[self.host.uuid] = self.world.now
        self.copy_of(master.database)
        self.state, self.listening, self.reason = 'up', False, None
        self.changes.open()
        self.world.at(ENABLE_AFTER, self.settle, self.epoch)

    def hello_problem(self):
        if self.master_address() == self.host.address:
            return ('HOST_ITS_OWN_SLAVE',)
        master = self.pool.process_at(self.master_address())
        if not self.pool.serves(self, master):
            return 'INTERNAL_ERROR', 'Unix_error: Connection refused'
        if master.database.get('host', self.host.uuid) is None:
            return 'HOST_UNKNOWN_TO_MASTER', self.host.uuid

    def settle(self, epoch):
        """The end of the start-up of a slave; 9.3."""
        if epoch == self.epoch and not self.settled:
            master = self.pool.master_of(self)
            if master:
                self.finish_start(master.database)

    def finish_start(self, db):
        """What really runs here against what the database says; then enabled."""
        for vm in list(resident_vms(db, {'uuid': self.host.uuid})):
            row = db.get('vm', vm)
            if not row['is_control_domain'] and vm not in self.host.domains:
                set_ended(db, vm)
        for vm in sorted(self.host.domains):
            self.claim(db, vm)
        if self.booted:
            self.clear_own_locks(db)
        db.set('host', self.host.uuid, enabled=True)
        self.settled = True
        self.changes.open()
        if self.booted and map_get(db.pool()['other_config'], 'auto_poweron') == 'true':
            self.pool.auto_start(self.host)
        self.booted = False

    def clear_own_locks(self, db):
        """sm does this when a booted host attaches its storage."""
        key = lock_key(self.host.uuid)
        for vdi in db.rows('vdi'):
            if map_get(vdi['sm_config'], key) and not self.opens(db, vdi):
                db.set('vdi', vdi['uuid'], sm_config=map_without(vdi['sm_config'], key))

    def opens(self, db, vdi):
        vbds = [db.get('vbd', uuid) for uuid in vdi['VBDs']]
        return bool([vbd for vbd in vbds if vbd and vbd['VM'] in self.host.domains])

    def claim(self, db, vm):
        """A domain that runs here: known elsewhere or unknown, it is ended;
        known to run nowhere, it is adopted.  (Up to 7.1 it was always
        claimed, wherever else it ran; neither era here is as old.)  9.3"""
        row = db.get('vm', vm)
        here = self.host.uuid
        elsewhere = row and row['resident_on'] != here and (
            db.get('host', row['resident_on']))
        if row is None or elsewhere:
            self.pool.stop_domain(here, vm)
            return
        if row['resident_on'] != here or row['power_state'] != self.host.domains[vm]:
            lock_disks(db, row, here)
            set_running(db, vm, here, self.host.domains[vm], self.new_domid())

    def heartbeat(self):
        """Of a slave, every 30 s; 9.2."""
        master = self.pool.master_of(self)
        if master:
            master.heard[self.host.uuid] = self.world.now
            row = master.database.get('host', self.host.uuid)
            if row and not row['live']:
                master.database.set('host', self.host.uuid, live=True)
            if not self.settled:
                self.finish_start(master.database)

    # -- relay ----

    def park(self, call):
        """The link to the master is down: wait, with everybody else who wants
        something of it.  It is tried again after 2, 4 .. 256 seconds."""
        self.parked.append(call)
        if not self.backoff:
            self.backoff = LINK_RETRY[0]
            self.world.at(self.backoff, self.retry_link, self.epoch)

    def retry_link(self, epoch):
        if epoch != self.epoch:
            return
        master = self.pool.master_of(self)
        if master is None:
            self.backoff = min(2 * self.backoff, LINK_RETRY[1])
            self.world.at(self.backoff, self.retry_link, epoch)
            return
        self.backoff = 0
        parked, self.parked = self.parked, []
        for call in parked:
            self.pool.execute(call, master)


###############################################################################
# Pool ########################################################################
###############################################################################

def in_bytes(memory):
    """Small numbers are GiB."""
    if memory < 1024 * 1024:
        return int(memory * GIB)
    return int(memory)


class Pool(object):
    """A pool of hosts on a World.  version: 'old' (wording up to 8.0,
    liveness up to 24.19) or 'new' (wording from 22, liveness from 24.20)."""

    def __init__(self, world, version='new'):
        self.world, self.version = world, version
        self.era = ['old', 'new'].index(version)
        self.schema = schema_of(self.era)
        self.uuid = world.new_uuid('pool')
        self.network = world.new_uuid('network')
        self.hosts, self.by_uuid = [], {}
        self.links = Gate(world)            # opens when links or power change
        self.created = world.now
        self.stale = False                  # the copies lack some of the set-up
        self.commands = 0                   # `xe` so far
        #: vm uuids whose guests do not react to a clean shutdown
        self.deaf = {}
        #: (code, parameters) with which every boot of a VM fails, for tests
        self.broken = None
        world.at(HEARTBEAT, self.tick)

    # -- who is who ----

    def host(self, word):
        """A Host, by itself or by its name."""
        for host in self.hosts:
            if word is host or word == host.name:
                return host
        raise KeyError(word)

    def host_of(self, uuid):
        return self.by_uuid[uuid]

    def process_of(self, uuid):
        return self.by_uuid[uuid].xapi

    def process_at(self, address):
        for host in self.hosts:
            if host.address == address:
                return host.xapi

    def processes(self):
        return [host.xapi for host in self.hosts]

    def hears(self, one, other):
        """Two xapis, or their hosts' network: packets pass."""
        if one is other:
            return True
        return self.world.reaches(one.host.name, other.host.name)

    def serves(self, slave, master):
        """The master at the other end is there for it."""
        return (master is not None and master is not slave and self.hears(slave, master)
                and (master.state, master.role) == ('up', 'master'))

    def master_of(self, process):
        """The xapi that is its master now and can be reached, or None."""
        if process.role == 'master':
            return process
        master = self.process_at(process.master_address())
        if self.serves(process, master) and (
                master.database.get('host', process.host.uuid)):
            return master

    def masters(self):
        """Hosts whose xapi acts as a master: one, none or too many."""
        return [host for host in self.hosts
                if (host.xapi.state, host.xapi.role) == ('up', 'master')]

    def master(self):
        """The one that most hosts follow, or None."""
        def followers(host):
            return len([h for h in self.hosts
                        if h.xapi.role == 'slave:' + host.address])
        masters = self.masters()
        masters.sort(key=lambda host: (-followers(host), self.hosts.index(host)))
        return (masters + [None])[0]

    def role_of(self, host):
        """What its xapi tells an unauthenticated login over TCP; 8(i)."""
        process = self.host(host).xapi
        if self.host(host).powered and process.state == 'up':
            return process.role

    def role_of_process(self, host):
        """The role that its xapi has in mind, whether it answers or not."""
        return self.host(host).xapi.role

    def wall(self):
        return EPOCH + self.world.now

    def database(self):
        """The live database of master(), else of one that is down or hung,
        else the newest copy."""
        master = self.master()
        if master:
            return master.xapi.database
        processes = [(process.conf() != 'master', -process.copied, place)
                     for place, process in enumerate(self.processes())]
        return self.hosts[sorted(processes)[0][2]].xapi.database

    # -- setting up ----

    def new_host(self, host, memory=None):
        """Add a Host of the world, up and settled; the first is the master."""
        memory = in_bytes(memory or getattr(host, 'memory', 64))
        process = host.xapi = XapiProcess(self, host)
        self.hosts.append(host)
        self.by_uuid[host.uuid] = host
        process.state, process.settled, process.copied = 'up', True, self.world.now
        if len(self.hosts) == 1:
            process.role, process.database = 'master', self.new_database(host, memory)
            process.next_push = self.world.now + PUSH_EVERY
        else:
            process.role = 'slave:' + self.hosts[0].address
            self.add_host(self.setup_db(), host, memory)
            self.plug_shared(host)
            process.database = self.database().copy()
        host.files[POOL_CONF] = process.role
        self.hosts[0].xapi.heard[host.uuid] = self.world.now
        return host

    def setup_db(self):
        """The master's database, to be changed while setting up; the slaves
        get their copies before anything else happens."""
        if not self.stale and self.world.now == self.created:
            self.stale = True
            self.world.at(0, self.refresh)
        return self.database()

    def refresh(self):
        """The set-up ends: all copies are as new as the master's."""
        if self.stale:
            self.stale = False
            for process in self.processes():
                if process.role != 'master':
                    process.copy_of(self.database())

    def new_database(self, host, memory=64 * GIB):
        """Of a pool of one."""
        db = Database()
        uuid = self.uuid
        if len(self.hosts) > 1:
            uuid = self.world.new_uuid('pool')
        db.create('pool', uuid, name_label='', name_description='', master=host.uuid,
                  default_SR='',
                  other_config=(), ha_enabled=False, current_operations=())
        db.create('network', self.network,
                  name_label='Pool-wide network associated with eth0',
                  name_description='', bridge='xenbr0', MTU=1500, managed=True,
                  other_config=(), PIFs=())
        self.add_host(db, host, memory)
        return db

    def add_host(self, db, host, memory):
        dom0, pif = self.world.new_uuid('vm'), self.world.new_uuid('pif')
        db.create('host', host.uuid, name_label=host.name, name_description='',
                  hostname=host.name,
                  address=host.address, enabled=True, live=True, memory_total=memory,
                  memory_overhead=OVERHEAD,
                  other_config=(), control_domain_uuid=dom0, edition='free',
                  power_on_mode='',
                  software_version=self.software(), API_version_major=2,
                  API_version_minor=15,
                  API_version_vendor='XenSource', current_operations=())
        self.add_vm(db, dom0, 'Control domain on host: %s' % host.name, DOM0_MEMORY,
                    is_control_domain=True,
                    power_state='running', resident_on=host.uuid, dom_id=0)
        number = len(db.tables['pif'])
        db.create('pif', pif, device='eth0', MAC='aa:bb:cc:00:00:%02x' % (number % 256),
                  physical=True,
                  managed=True, currently_attached=True, MTU=1500, VLAN=-1,
                  management=True, network=self.network,
                  host=host.uuid, IP_configuration_mode='Static', IP=host.address,
                  netmask='255.255.255.0',
                  gateway='', primary_address_type='IPv4', carrier=True)
        pifs = db.get('network', self.network)['PIFs']
        db.set('network', self.network, PIFs=pifs + (pif,))

    def software(self):
        version = {0: '7.6.0', 1: '8.3.0'}[self.era]
        return (('product_version', version), ('product_brand', 'XCP-ng'),
                ('xapi', '1.20'))

    def plug_shared(self, host):
        for sr in self.setup_db().rows('sr'):
            if sr['shared']:
                self.new_pbd(sr['uuid'], host)

    def new_pbd(self, sr, host):
        db = self.setup_db()
        pbd = db.create('pbd', self.world.new_uuid('pbd'), host=host.uuid, SR=sr,
                        currently_attached=True,
                        device_config=(('location', '/dev/%s' % sr[:8]),),
                        other_config=())
        db.set('sr', sr, PBDs=db.get('sr', sr)['PBDs'] + (pbd,))

    def new_sr(self, name, shared=True, host=None):
        """A storage repository, plugged on every host or on the one; the
        first shared one is the pool's default."""
        db = self.setup_db()
        sr = db.create('sr', self.world.new_uuid('sr'), name_label=name,
                       name_description='', shared=shared,
                       type=['lvm', 'nfs'][shared], content_type='user', VDIs=(),
                       PBDs=(), other_config=(),
                       physical_size=1024 * GIB, current_operations=(), sm_config=())
        for each_host in self.hosts:
            if host is None or each_host is self.host(host):
                self.new_pbd(sr, each_host)
        if shared and not db.pool()['default_SR']:
            db.set('pool', self.uuid, default_SR=sr)
        return sr

    def add_vm(self, db, uuid, name, memory, **fields):
        defaults = dict(name_label=name, name_description='', is_a_template=False,
                        is_control_domain=False,
                        power_state='halted', resident_on='', affinity='', appliance='',
                        order=0, start_delay=0,
                        shutdown_delay=0, other_config=(), current_operations=(),
                        scheduled='', dom_id=-1,
                        memory_static_max=memory, memory_dynamic_max=memory,
                        memory_dynamic_min=memory,
                        memory_static_min=memory, memory_actual=memory,
                        memory_overhead=OVERHEAD, VCPUs_max=1,
                        VCPUs_at_startup=1, VBDs=(), actions_after_shutdown='destroy',
                        actions_after_reboot='restart', actions_after_crash='destroy',
                        domain_type='hvm')
        defaults.update(fields)
        return db.create('vm', uuid, **defaults)

    def new_vm(self, name, host=None, state='running', memory=GIB, order=0,
               start_delay=0, other_config=None,
               sr=None, affinity=None):
        """A VM with one disk on the default SR or the given one; with a host
        it runs there (state 'running' or 'paused'), and its disk is locked.
        Without one it is halted or, if so told, suspended."""
        db = self.setup_db()
        if host is None and state == 'paused':
            host = self.hosts[0]
        vm = self.add_vm(db, self.world.new_uuid('vm'), name, in_bytes(memory),
                         order=order, start_delay=start_delay,
                         other_config=tuple(sorted((other_config or {}).items())))
        getattr(self.world, 'names', {})[vm] = name
        if host is None and state == 'suspended':
            db.set('vm', vm, power_state=state)
        if affinity is not None:
            db.set('vm', vm, affinity=self.host(affinity).uuid)
        sr = sr or db.pool()['default_SR']
        if sr:
            self.new_disk(db, vm, name, sr)
        if host is not None:
            uuid = self.host(host).uuid
            lock_disks(db, db.get('vm', vm), uuid)
            set_running(db, vm, uuid, state, self.host(host).xapi.new_domid())
            self.start_domain(uuid, vm, state)
        return vm

    def new_disk(self, db, vm, name, sr, device='xvda'):
        vdi, vbd = self.world.new_uuid('vdi'), self.world.new_uuid('vbd')
        db.create('vdi', vdi, name_label='%s disk' % name, name_description='', SR=sr,
                  VBDs=(vbd,), sm_config=(),
                  virtual_size=8 * GIB, physical_utilisation=8 * GIB, location=vdi,
                  type='User', managed=True,
                  other_config=(), current_operations=())
        number = len(db.get('vm', vm)['VBDs'])
        db.create('vbd', vbd, VM=vm, VDI=vdi, device=device, userdevice='%d' % number,
                  bootable=number == 0,
                  mode='RW', type='Disk', empty=False, currently_attached=False,
                  other_config=(),
                  current_operations=())
        db.set('sr', sr, VDIs=db.get('sr', sr)['VDIs'] + (vdi,))
        db.set('vm', vm, VBDs=db.get('vm', vm)['VBDs'] + (vbd,))
        return vdi

    def new_template(self, name):
        db = self.setup_db()
        return self.add_vm(db, self.world.new_uuid('vm'), name, GIB, is_a_template=True)

    def new_appliance(self, name, vms):
        db = self.setup_db()
        uuid = db.create('appliance', self.world.new_uuid('appliance'), name_label=name,
                         name_description='',
                         current_operations=())
        for vm in vms:
            db.set('vm', vm, appliance=uuid)
        return uuid

    # -- the truth about domains ----

    def start_domain(self, host, vm, state='running'):
        host = self.host_of(host)
        self.world.start_domain(host, vm)
        if state != 'running':
            host.domains[vm] = state

    def stop_domain(self, host, vm):
        host = self.host_of(host)
        if vm in host.domains:
            self.world.stop_domain(host, vm)

    def turn_domain(self, host, vm, state):
        if vm in self.host_of(host).domains:
            self.host_of(host).domains[vm] = state

    def domain_ended(self, host, vm):
        """A domain ended by itself (or the world ended it): the host's xapi
        tells the database when it can, else at a later heartbeat."""
        process = self.host(host).xapi
        if process.state == 'up' and process.settled:
            master = self.master_of(process)
            if master:
                self.note_ended(master, vm, process)

    def note_ended(self, master, vm, process):
        row = master.database.get('vm', vm)
        if not row or row['resident_on'] != process.host.uuid:
            return
        if row['power_state'] in ('running', 'paused') and not row['current_operations']:
            set_ended(master.database, vm)

    # -- time ----

    def tick(self):
        """Every 30 s: heartbeats, the master's collector, events that were
        missed."""
        self.world.at(HEARTBEAT, self.tick)
        for process in self.processes():
            if process.state == 'up' and process.role != 'master':
                process.heartbeat()
        for host in self.masters():
            host.xapi.collect()
            self.catch_up(host.xapi)

    def catch_up(self, master):
        followers = dict([(process.host.uuid, process) for process in self.processes()
                          if process.settled and self.follows(process, master)])
        for row in master.database.rows('vm'):
            process = followers.get(row['resident_on'])
            if process and not row['is_control_domain'] and (
                    row['uuid'] not in process.host.domains):
                self.note_ended(master, row['uuid'], process)

    def follows(self, process, master):
        """It is up, and the master is its own and within reach."""
        return process.state == 'up' and self.master_of(process) is master

    def push(self, master, rows):
        """Copies of the database for those of the hosts that follow; 9.5."""
        for row in rows:
            process = self.process_of(row['uuid'])
            if process is not master and self.follows(process, master):
                process.copy_of(master.database)

    def links_changed(self):
        """After any change of links or power: answers on their way arrive."""
        self.links.open()

    # -- power and the toolstack ----

    def power_lost(self, host):
        self.refresh()
        self.host(host).xapi.end('stopped', True)
        self.links.open()

    def power_on(self, host):
        self.host(host).xapi.begin(self.world.costs.boot, True)
        self.links.open()

    def clean_shutdown(self, host):
        """The machine goes down in order: its guests end, the master hears
        the negative heartbeat; 9.2.  The world takes the power."""
        self.refresh()
        host = self.host(host)
        master = host.xapi.state == 'up' and self.master_of(host.xapi)
        for vm in sorted(host.domains):
            self.stop_domain(host.uuid, vm)
            self.domain_ended(host, vm)
        if master and master is not host.xapi:
            master.database.set('host', host.uuid, live=False)
            master.heard[host.uuid] = self.world.now - ASSUMED_DEAD
        host.xapi.end('stopped')

    def stop(self, host):
        self.refresh()
        self.host(host).xapi.end('stopped')

    def start(self, host):
        if self.host(host).xapi.state == 'stopped':
            self.host(host).xapi.begin(self.world.costs.restart)

    def restart(self, host):
        self.refresh()
        self.host(host).xapi.begin(self.world.costs.restart)

    def hang(self, host):
        self.refresh()
        self.host(host).xapi.freeze()

    # -- xe ----

    def xe(self, host, argv, done, env=None, feed=''):
        """A client on the host.  done(status, out, err) is called later, or
        never.  The result has client_killed()."""
        self.refresh()
        call = Call(self, self.host(host), argv, done, feed)
        self.commands += 1
        options, arguments = client_arguments(argv[1:],
                                              (env or {}).get('XE_EXTRA_ARGS', ''))
        self.world.at(self.world.costs.xe, self.connect, call, options, arguments)
        return call

    def connect(self, call, options, arguments):
        """1.3"""
        if not call.host.powered or call.host.boots != call.boots:
            return                          # its machine lost power before it was sent
        if '-version' in arguments:
            call.out.append('ThinCLI protocol: 0.2\n')
            return call.finish(0)
        if not arguments or '-help' in arguments or '--help' in arguments:
            return call.finish(0, HELP)
        if len('\n'.join(arguments)) > BODY_LIMIT:
            return call.finish(1, 'Server internal error.\n')
        server = options.get('server', '127.0.0.1')
        process = call.host.xapi
        if server not in ('127.0.0.1', 'localhost', call.host.address):
            process = self.process_at(server)
            if process is None or not self.hears(call.host.xapi, process):
                return                      # nobody takes the connection: it hangs
        if process.state == 'hung':
            call.process = process
            process.calls.append(call)
        elif process.answers():
            call.process = process
            process.calls.append(call)
            self.receive(call, options, split_lines(arguments), server != '127.0.0.1')
        else:
            call.finish(1, REFUSED)

    def receive(self, call, options, arguments, remote):
        """xapi has the request: what it says by itself, what it relays."""
        process = call.process
        try:
            call.name, call.params = arguments[0], server_parameters(arguments[1:])
            parse_minimal(call.params)
            command = self.command_of(call)
        except KNOWN:
            return self.fail(call, caught(), None)
        if command is None:
            call.out.append(help_text())
            call.finish(0)
        elif remote and self.refuses(call, options):
            return
        elif command.local:
            self.execute(call, process)
        elif process.state == 'emergency':
            self.fail(call, ApiError(*process.reason), None)
        elif process.state == 'starting' and process.role != 'master':
            self.fail(call, ApiError('HOST_STILL_BOOTING'), None)
        elif process.role == 'master':
            self.execute(call, process)
        else:
            self.relay(call, process)

    def command_of(self, call):
        """Unknown words and missing parameters are told before anything is
        forwarded; 2.1."""
        if call.name == 'help':
            return None
        command = COMMANDS.get(call.name)
        if command is None:
            raise Usage('Unknown command: %s' % call.name)
        names = [name for name, _ in call.params]
        for name in command.required:
            if name not in names:
                raise Usage('Required parameter not found: %s' % name)
        return command

    def refuses(self, call, options):
        """Over TCP: a slave always, a master without the password; 8(i), 3(6)."""
        process = call.process
        if process.state == 'emergency':
            self.fail(call, ApiError(*process.reason), None)
        elif process.role != 'master':
            self.fail(call, ApiError('HOST_IS_SLAVE', [process.master_address() or '']),
                      None)
        elif options.get('password', 'null') == 'null':
            self.world.at(5.0, call.finish, 1, 'Authentication failed\n' + NO_USAGE)
        else:
            return False
        return True

    def relay(self, call, process):
        """Hangs while the master is silent: the slave's link is tried again
        for ever; 8(g)."""
        master = self.master_of(process)
        if master is None or process.parked:
            process.park(call)
        else:
            self.execute(call, master)

    def execute(self, call, server):
        """Run the command on that xapi; a hung one never ends it."""
        call.server = server
        if server.state == 'hung' or call.over:
            return
        request = Request(self, server, call, call.name, call.params)
        Task(server, run_command(request), lambda error: self.answer(request, error))

    def answer(self, request, error):
        call, db = request.call, request.db
        if error is None:
            request.flush()
            self.deliver(call, 0, '')
        elif isinstance(error, Multiple):
            call.out.extend(['operation failed on %s: %s\n' % pair
                             for pair in error.failures])
            self.deliver(call, 1, '')
        elif isinstance(error, NoInput):
            self.deliver(call, 1, LOST)
        else:
            self.deliver(call, 1,
                         failed_text(error, self.era, db) + self.trace(request, error))

    def trace(self, request, error):
        """3(8)"""
        if not request.flag('trace'):
            return ''
        text = repr(error)
        if isinstance(error, ApiError):
            known = [(request.db.find(value) or {'ref': value})['ref']
                     for value in error.params]
            text = 'Server_error(%s, [ %s ])' % (error.code, '; '.join(known))
        return 'Raised %s\nBacktrace:\n' % text

    def fail(self, call, error, db):
        call.finish(1, failed_text(error, self.era, db))

    def deliver(self, call, status, error):
        """The answer of the server; a relayed one waits until packets pass."""
        if call.over or call.server is None:
            return
        if self.hears(call.process, call.server):
            call.finish(status, error)
        else:
            self.links.wait(lambda: self.deliver(call, status, error))

    # -- resetvdis.py ----

    def resetvdis(self, host, argv, done):
        """/opt/xensource/sm/resetvdis.py of the host; 8(e).  It talks to the
        xapi of its host, and only a master's lets it."""
        call = Call(self, self.host(host), argv, done, '')
        self.world.at(self.world.costs.xe, self.reset_locks, call)
        return call

    def reset_locks(self, call):
        process = call.host.xapi
        words = [word for word in call.argv[1:] if not word.startswith('--')]
        if process.state == 'hung':
            process.calls.append(call)
            call.process = process
        elif not (process.state == 'up' and process.role == 'master'):
            self.traceback(call, {'up': 'HOST_IS_SLAVE'}.get(
                process.state, 'Connection refused'))
        elif words[:1] == ['single'] and len(words) == 2:
            self.reset_single(call, process.database, words[1])
        elif len(words) == 3 and words[0] == 'all':
            self.reset_host(call, process.database, words[1], words[2])
        elif len(words) == 2:
            self.reset_host(call, process.database, words[0], words[1])
        else:
            call.out.append('Usage:\nall <HOST UUID> <SR UUID> [--master]\nsingle '
                            '<VDI UUID> [--force]\n')
            call.finish(1)

    def reset_host(self, call, db, host, sr):
        for kind, uuid in (('host', host), ('sr', sr)):
            if db.get(kind, uuid) is None:
                return self.traceback(call, 'UUID_INVALID', INTERNAL.get(kind, kind),
                                      uuid)
        unlock_all(db, host, sr)
        call.finish(0)

    def traceback(self, call, *error):
        """How a script with XenAPI fails."""
        call.finish(1, 'Traceback (most recent call last):\nXenAPI.Failure: [%s]\n' % (
            ', '.join(["'%s'" % word for word in error]),))

    def reset_single(self, call, db, vdi):
        row = db.get('vdi', vdi)
        if row is None:
            return self.traceback(call, 'UUID_INVALID', 'VDI', vdi)
        keys = [key for key, _ in row['sm_config'] if key.startswith('host_')]
        if not keys:
            call.out.append('VDI %s is not marked as attached anywhere, nothing to do\n'
                            % vdi)
        for key in keys:
            self.reset_key(call, db, row, key)
        call.finish(0)

    def reset_key(self, call, db, row, key):
        """The mark of one host, unless it has the VDI open; --force never asks."""
        name = key[len('host_'):]
        holder = db.find(name)
        if holder:
            name = '%s (%s)' % (holder['uuid'], holder['name_label'])
            is_open = self.process_of(holder['uuid']).opens(db, row)
            if is_open and '--force' not in call.argv:
                call.out.append('VDI %s is still open on host %s, not resetting\n'
                                % (row['uuid'], name))
                return
        marks = db.get('vdi', row['uuid'])['sm_config']
        db.set('vdi', row['uuid'], sm_config=map_without(marks, key))
        call.out.append('Force-cleared RW for %s on host %s\n' % (row['uuid'], name))

    # -- what an administrator does, on the master ----

    def admin(self, *words):
        """`xe WORDS` on the master, at once.  The result's status, out and
        err tell how it went; the world notes a failure."""
        self.refresh()
        master = self.master()
        if master is None:
            raise ValueError('no master for xe %s' % ' '.join(words))

        def done(status, out, err):
            if status:
                self.world.note('administrator: xe %s: %s' % (
                    ' '.join(words), err.strip().split('\n')[0]))
        call = Call(self, master, ['xe'] + list(words), done, '')
        self.connect(call, {}, list(words))
        return call

    def auto_start(self, host):
        """The init script of a booted host, whatever comes of it; 9.3."""
        self.xe(host, ['xe', 'vm-start', 'other-config:auto_poweron=true',
                       'power-state=halted', '--multiple'],
                lambda status, out, err: None)

    def start_vm(self, vm, host=None):
        if host is None:
            return self.admin('vm-start', 'uuid=' + vm)
        return self.admin('vm-start', 'uuid=' + vm, 'on=' + self.host(host).uuid)

    def shutdown_vm(self, vm, force=False):
        return self.admin('vm-shutdown', 'uuid=' + vm, *(['--force'] * bool(force)))

    def suspend_vm(self, vm):
        return self.admin('vm-suspend', 'uuid=' + vm)

    def resume_vm(self, vm, host=None):
        if host is None:
            return self.admin('vm-resume', 'uuid=' + vm)
        return self.admin('vm-resume', 'uuid=' + vm, 'on=' + self.host(host).uuid)

    def migrate_vm(self, vm, host):
        return self.admin('vm-migrate', 'uuid=' + vm,
                          'host-uuid=' + self.host(host).uuid, '--live')

    def guest_shutdown(self, vm):
        """The guest ends by itself."""
        for host in self.hosts:
            if vm in host.domains:
                self.stop_domain(host.uuid, vm)
                self.domain_ended(host, vm)

    crash_vm = guest_shutdown               # with actions-after-crash=destroy

    def evacuate(self, host):
        """Disable and evacuate."""
        self.disable(host)
        return self.admin('host-evacuate', 'uuid=' + self.host(host).uuid)

    def disable(self, host):
        return self.admin('host-disable', 'uuid=' + self.host(host).uuid)

    def enable(self, host):
        return self.admin('host-enable', 'uuid=' + self.host(host).uuid)

    def eject(self, host):
        return self.admin('pool-eject', 'host-uuid=' + self.host(host).uuid, '--force')

    def designate(self, host):
        return self.admin('pool-designate-new-master', 'host-uuid=' + self.host(host).uuid)

    def maintenance(self, host, on):
        """As XenCenter does: a mark, disable and evacuate; or enable."""
        if not on:
            return self.enable(host)
        self.set_config('host', self.host(host).uuid, 'MAINTENANCE_MODE', 'true')
        return self.evacuate(host)

    # -- changes of the live database, at once and without a client ----

    def set_field(self, kind, uuid, **fields):
        """Raw values, as in set_field('vm', uuid, order=2)."""
        self.setup_db().set(kind, uuid, **fields)

    def set_config(self, kind, uuid, key, text):
        """A key of other-config; None removes it."""
        db = self.setup_db()
        pairs = map_without(db.need(kind, uuid)['other_config'], key)
        if text is not None:
            pairs = map_with(pairs, key, text)
        db.set(kind, uuid, other_config=pairs)

    def set_other_config(self, key, text):
        self.set_config('pool', self.database().pool()['uuid'], key, text)

    def set_vm_other_config(self, vm, key, text):
        self.set_config('vm', vm, key, text)

    def set_pool_field(self, **fields):
        self.set_field('pool', self.database().pool()['uuid'], **fields)

    def set_ha_enabled(self, enabled=True):
        self.set_pool_field(ha_enabled=bool(enabled))

    def set_version(self, version):
        """Wording and liveness of the other era, from now on."""
        self.version, self.era = version, ['old', 'new'].index(version)
        self.schema = schema_of(self.era)

    def set_storage(self, host, reachable):
        """Does the host reach the shared storage?"""
        self.host(host).storage = bool(reachable)

    def set_address(self, host, address):
        """The management address changes; the database hears of it as soon
        as the host's xapi can tell."""
        host = self.host(host)
        host.address = address
        master = host.xapi.state == 'up' and self.master_of(host.xapi)
        if master:
            db = master.database
            db.set('host', host.uuid, address=address)
            for pif in db.rows('pif'):
                if pif['host'] == host.uuid and pif['management']:
                    db.set('pif', pif['uuid'], IP=address)
        self.links_changed()

    def power_state(self, vm):
        """What the database says."""
        return self.database().need('vm', vm)['power_state']


def run_command(request):
    """The command as a generator, whatever its function is."""
    waits = COMMANDS[request.name].run(request)
    for wait in waits or ():
        yield wait
