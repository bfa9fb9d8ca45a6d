// The calls of CPI-C 2.x that need what this library does not have: OSI TP, sync point, map names. They are here so
// that a program that mentions them links and can ask.
#include "api/entry.hpp"
#include "api/trace.hpp"

namespace {

using namespace colloquy;
using rc = runtime::return_code;

// NULL is the caller's mistake whatever the library can do.
template <class... Pointers>
void unsupported(const char* entry, const void* conversation_ID, CM_RETURN_CODE* return_code,
                 Pointers... pointers) noexcept {
    const api::trace::call traced{entry, conversation_ID, return_code};
    if (return_code == nullptr) return;
    const bool pointers_right = conversation_ID != nullptr && ((pointers != nullptr) && ...);
    const auto id =
        conversation_ID == nullptr ? runtime::conversation_id{} : runtime::conversation_id::from_bytes(conversation_ID);
    api::answer(return_code, id, pointers_right ? rc::call_not_supported : rc::program_parameter_check, entry);
}

}  // namespace

extern "C" {

CM_ENTRY cmdfde(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    unsupported("cmdfde", conversation_ID, return_code);
}
CM_ENTRY cmprep(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    unsupported("cmprep", conversation_ID, return_code);
}
CM_ENTRY cmincl(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    unsupported("cmincl", conversation_ID, return_code);
}

CM_ENTRY cmsac(const void* conversation_ID, const CM_ALLOCATE_CONFIRM_TYPE* allocate_confirm,
               CM_RETURN_CODE* return_code) {
    unsupported("cmsac", conversation_ID, return_code, allocate_confirm);
}
CM_ENTRY cmsbt(const void* conversation_ID, const CM_BEGIN_TRANSACTION* begin_transaction,
               CM_RETURN_CODE* return_code) {
    unsupported("cmsbt", conversation_ID, return_code, begin_transaction);
}
CM_ENTRY cmscu(const void* conversation_ID, const CM_CONFIRMATION_URGENCY* confirmation_urgency,
               CM_RETURN_CODE* return_code) {
    unsupported("cmscu", conversation_ID, return_code, confirmation_urgency);
}
CM_ENTRY cmsjt(const void* conversation_ID, const CM_JOIN_TRANSACTION_TYPE* join_transaction,
               CM_RETURN_CODE* return_code) {
    unsupported("cmsjt", conversation_ID, return_code, join_transaction);
}
CM_ENTRY cmspdp(const void* conversation_ID, const CM_PREPARE_DATA_PERMITTED_TYPE* prepare_data_permitted,
                CM_RETURN_CODE* return_code) {
    unsupported("cmspdp", conversation_ID, return_code, prepare_data_permitted);
}
CM_ENTRY cmstc(const void* conversation_ID, const CM_TRANSACTION_CONTROL* transaction_control,
               CM_RETURN_CODE* return_code) {
    unsupported("cmstc", conversation_ID, return_code, transaction_control);
}
CM_ENTRY cmetc(const void* conversation_ID, CM_TRANSACTION_CONTROL* transaction_control, CM_RETURN_CODE* return_code) {
    unsupported("cmetc", conversation_ID, return_code, transaction_control);
}

CM_ENTRY cmsaeq(const void* conversation_ID, const void* AE_qualifier, const CM_INT32* AE_qualifier_length,
                const CM_AE_QUAL_OR_AP_TITLE_FORMAT* AE_qualifier_format, CM_RETURN_CODE* return_code) {
    unsupported("cmsaeq", conversation_ID, return_code, AE_qualifier, AE_qualifier_length, AE_qualifier_format);
}
CM_ENTRY cmeaeq(const void* conversation_ID, void* AE_qualifier, CM_INT32* AE_qualifier_length,
                CM_AE_QUAL_OR_AP_TITLE_FORMAT* AE_qualifier_format, CM_RETURN_CODE* return_code) {
    unsupported("cmeaeq", conversation_ID, return_code, AE_qualifier, AE_qualifier_length, AE_qualifier_format);
}
CM_ENTRY cmsapt(const void* conversation_ID, const void* AP_title, const CM_INT32* AP_title_length,
                const CM_AE_QUAL_OR_AP_TITLE_FORMAT* AP_title_format, CM_RETURN_CODE* return_code) {
    unsupported("cmsapt", conversation_ID, return_code, AP_title, AP_title_length, AP_title_format);
}
CM_ENTRY cmeapt(const void* conversation_ID, void* AP_title, CM_INT32* AP_title_length,
                CM_AE_QUAL_OR_AP_TITLE_FORMAT* AP_title_format, CM_RETURN_CODE* return_code) {
    unsupported("cmeapt", conversation_ID, return_code, AP_title, AP_title_length, AP_title_format);
}
CM_ENTRY cmsacn(const void* conversation_ID, const void* application_context_name,
                const CM_INT32* application_context_name_length, CM_RETURN_CODE* return_code) {
    unsupported("cmsacn", conversation_ID, return_code, application_context_name, application_context_name_length);
}
CM_ENTRY cmeacn(const void* conversation_ID, void* application_context_name, CM_INT32* application_context_name_length,
                CM_RETURN_CODE* return_code) {
    unsupported("cmeacn", conversation_ID, return_code, application_context_name, application_context_name_length);
}
CM_ENTRY cmspid(const void* conversation_ID, const CM_PARTNER_ID_TYPE* partner_ID_type, const void* partner_ID,
                const CM_INT32* partner_ID_length, const CM_PARTNER_ID_SCOPE* partner_ID_scope,
                const CM_DIRECTORY_SYNTAX* directory_syntax, const CM_DIRECTORY_ENCODING* directory_encoding,
                CM_RETURN_CODE* return_code) {
    unsupported("cmspid", conversation_ID, return_code, partner_ID_type, partner_ID, partner_ID_length,
                partner_ID_scope, directory_syntax, directory_encoding);
}
CM_ENTRY cmepid(const void* conversation_ID, CM_PARTNER_ID_TYPE* partner_ID_type, void* partner_ID,
                const CM_INT32* requested_length, CM_INT32* partner_ID_length, CM_PARTNER_ID_SCOPE* partner_ID_scope,
                CM_DIRECTORY_SYNTAX* directory_syntax, CM_DIRECTORY_ENCODING* directory_encoding,
                CM_RETURN_CODE* return_code) {
    unsupported("cmepid", conversation_ID, return_code, partner_ID_type, partner_ID, requested_length,
                partner_ID_length, partner_ID_scope, directory_syntax, directory_encoding);
}

CM_ENTRY cmsid(const void* conversation_ID, const void* initialization_data, const CM_INT32* initialization_data_length,
               CM_RETURN_CODE* return_code) {
    unsupported("cmsid", conversation_ID, return_code, initialization_data, initialization_data_length);
}
CM_ENTRY cmeid(const void* conversation_ID, void* initialization_data, const CM_INT32* requested_length,
               CM_INT32* initialization_data_length, CM_RETURN_CODE* return_code) {
    unsupported("cmeid", conversation_ID, return_code, initialization_data, requested_length,
                initialization_data_length);
}
CM_ENTRY cmsmid(const void* conversation_ID, const void* map_name, const CM_MAP_NAME_LENGTH* map_name_length,
                const void* initialization_data, const CM_INT32* initialization_data_length,
                CM_RETURN_CODE* return_code) {
    unsupported("cmsmid", conversation_ID, return_code, map_name, map_name_length, initialization_data,
                initialization_data_length);
}
CM_ENTRY cmemid(const void* conversation_ID, void* map_name, CM_MAP_NAME_LENGTH* map_name_length,
                void* initialization_data, const CM_INT32* requested_length, CM_INT32* initialization_data_length,
                CM_RETURN_CODE* return_code) {
    unsupported("cmemid", conversation_ID, return_code, map_name, map_name_length, initialization_data,
                requested_length, initialization_data_length);
}
CM_ENTRY cmsndm(const void* conversation_ID, const void* map_name, const CM_MAP_NAME_LENGTH* map_name_length,
                const void* buffer, const CM_INT32* send_length,
                CM_CONTROL_INFORMATION_RECEIVED* control_information_received, CM_RETURN_CODE* return_code) {
    unsupported("cmsndm", conversation_ID, return_code, map_name, map_name_length, buffer, send_length,
                control_information_received);
}
CM_ENTRY cmrcvm(const void* conversation_ID, void* map_name, CM_MAP_NAME_LENGTH* map_name_length, void* buffer,
                const CM_INT32* requested_length, CM_DATA_RECEIVED_TYPE* data_received, CM_INT32* received_length,
                CM_STATUS_RECEIVED* status_received, CM_CONTROL_INFORMATION_RECEIVED* control_information_received,
                CM_RETURN_CODE* return_code) {
    unsupported("cmrcvm", conversation_ID, return_code, map_name, map_name_length, buffer, requested_length,
                data_received, received_length, status_received, control_information_received);
}

}  // extern "C"
