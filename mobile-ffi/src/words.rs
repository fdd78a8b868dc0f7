//! What the phone says, in Vietnamese: drafts, to be read by an officer before use.

use sync_core::log::AsideReason;
use sync_core::policy::ValueFault;
use sync_core::text::SearchRefusal;

use crate::PhoneError;
use crate::phone::ProblemKind;

/// At a field that takes no value here.
pub(crate) const NO_INPUT: &str = "Mục này không nhập ở đây.";
/// A number that is none.
pub(crate) const NOT_A_NUMBER: &str = "Chỉ nhập số.";
/// A choice that the list does not have.
pub(crate) const NOT_IN_LIST: &str = "Chọn một mục trong danh sách.";
/// A day or time that no calendar has.
pub(crate) const NO_SUCH_DAY: &str = "Ngày giờ không đúng.";
/// A value of another kind than the field's.
pub(crate) const WRONG_KIND: &str = "Giá trị không hợp với mục này.";
/// A name of a record or an area that is none.
pub(crate) const NO_SUCH_NAME: &str = "Không tìm thấy.";

/// Words of an error.
pub(crate) fn error(error: &PhoneError) -> String {
    let words = match error {
        PhoneError::NotEnrolled => "Máy này chưa đăng ký. Quét mã mời của tổ.",
        PhoneError::AlreadyEnrolled => "Máy này đã đăng ký rồi.",
        PhoneError::BadCode => "Mã này không đúng hoặc bị hỏng. Quét lại.",
        PhoneError::CodeRefused { .. } => {
            "Mã này đã dùng, đã hết hạn hoặc máy chủ không nhận. Xin mã mới."
        }
        PhoneError::StorageFull => "Máy hết chỗ trống. Xóa bớt ảnh hoặc ứng dụng rồi lưu lại.",
        PhoneError::StoreDamaged { .. } => {
            "Dữ liệu trên máy này bị hỏng. Tệp cũ được giữ lại. Báo cán bộ phụ trách."
        }
        PhoneError::WrongKey => "Khóa của máy không mở được dữ liệu. Báo cán bộ phụ trách.",
        PhoneError::StoreInUse => "Dữ liệu đang được mở ở chỗ khác. Đóng ứng dụng rồi mở lại.",
        PhoneError::StoreFailed { .. } => "Không ghi được vào máy. Đóng ứng dụng rồi mở lại.",
        PhoneError::UpdateApp => "Cần cập nhật ứng dụng.",
        PhoneError::FieldFault { words, .. } | PhoneError::SearchRefused { words } => words,
        PhoneError::ChooseMember => "Chọn người ghi trước.",
        PhoneError::ChooseType => "Chọn loại việc trước.",
        PhoneError::NoRight => {
            "Người này không được ghi loại việc này, hoặc không được sửa việc người khác ghi."
        }
        PhoneError::GroupNotHere => "Máy này không thuộc tổ này.",
        PhoneError::RecordNotHere => "Mục này không có trên máy.",
        PhoneError::RecordLetGo => {
            "Nội dung mục này đã an toàn trên máy chủ và không còn trên máy. Ghi mục mới để đính chính."
        }
        PhoneError::RecordFull => "Mục này đã sửa quá nhiều lần. Ghi mục mới để đính chính.",
        PhoneError::AlreadyWithdrawn => "Mục này đã rút lại rồi.",
        PhoneError::TooMuch => "Nhiều quá cho một lần. Lưu từng phần.",
        PhoneError::NothingToSave => "Chưa có gì thay đổi.",
        PhoneError::NotAChoice => "Không chọn được giá trị này.",
        PhoneError::VisitOpen => "Đang gửi, chờ một chút.",
        PhoneError::VisitOver => "Lần gửi này đã xong.",
        PhoneError::BadAnswer => "Câu trả lời bị đứt giữa chừng. Máy sẽ tự gửi lại.",
        PhoneError::Forged => {
            "Câu trả lời không phải của máy chủ đã đăng ký. Báo cán bộ phụ trách."
        }
        PhoneError::NotKnownThere => "Máy chủ không nhận ra máy này. Báo cán bộ phụ trách.",
        PhoneError::Later => "Máy chủ đang bận. Máy sẽ tự thử lại.",
        PhoneError::ServerFull => "Máy chủ hết chỗ. Mục đã ghi vẫn còn trên máy này.",
        PhoneError::HttpStatus { .. } => {
            "Mạng này không cho đến máy chủ. Thử mạng khác; máy sẽ tự thử lại."
        }
        PhoneError::NoRandomness => "Máy chưa sẵn sàng. Thử lại.",
    };
    words.to_owned()
}

/// Words of what last went wrong on the way to the server.
pub(crate) fn problem(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::NoNetwork => "Không có mạng. Vẫn ghi được, máy sẽ gửi khi có mạng.",
        ProblemKind::Timeout => "Mạng yếu, gửi chưa được. Máy sẽ tự thử lại.",
        ProblemKind::TlsClock => {
            "Giờ trên máy có thể sai nên chưa nối được máy chủ. Chỉnh lại ngày giờ rồi thử lại."
        }
        ProblemKind::TlsOther => "Không nối được an toàn với máy chủ. Máy sẽ tự thử lại.",
        ProblemKind::HttpStatus => {
            "Mạng này không cho đến máy chủ. Thử mạng khác; máy sẽ tự thử lại."
        }
        ProblemKind::BadAnswer => "Câu trả lời bị đứt giữa chừng. Máy sẽ tự gửi lại.",
        ProblemKind::Forged => {
            "Câu trả lời không phải của máy chủ đã đăng ký. Báo cán bộ phụ trách."
        }
        ProblemKind::NotKnownThere => "Máy chủ không nhận ra máy này. Báo cán bộ phụ trách.",
        ProblemKind::Later => "Máy chủ đang bận. Máy sẽ tự thử lại.",
        ProblemKind::ServerFull => "Máy chủ hết chỗ. Mục đã ghi vẫn còn trên máy này.",
        ProblemKind::UpdateApp => "Cần cập nhật ứng dụng.",
        ProblemKind::StorageFull => "Máy hết chỗ trống, chưa nhận được gì mới.",
        ProblemKind::NotTaken => "Máy chủ chưa nhận mục mới của máy này: chờ cán bộ xác nhận máy.",
    }
}

/// Words of why a change was set aside.
pub(crate) fn aside(reason: AsideReason) -> &'static str {
    match reason {
        AsideReason::UnknownRecord => "Máy chủ không có mục mà thay đổi này nói tới.",
        AsideReason::UnknownHead => "Thay đổi này dựa trên điều máy chủ chưa có.",
        AsideReason::FollowsAside => "Thay đổi trước của mục này không được nhận.",
        AsideReason::Vocabulary => "Có giá trị không đúng danh mục hiện dùng.",
        AsideReason::ClosedLane => "Ngăn kín không ghi nội dung này.",
        AsideReason::Sealed => "Phần niêm kín chưa dùng được.",
        AsideReason::Role => "Người ghi không được ghi loại việc này.",
        AsideReason::Member => "Người ghi không thuộc tổ, hoặc không dùng máy này.",
        AsideReason::TooManyChanges => "Mục này đã sửa quá nhiều lần. Ghi mục mới để đính chính.",
        AsideReason::NotYours => "Mục này do xã ghi.",
        AsideReason::Link => "Không được nối tới mục của ngăn khác.",
        AsideReason::NotEnrolled => "Máy này chưa được vào tổ này.",
        AsideReason::RightLost => {
            "Người ghi không còn quyền khi máy chủ nhận được. Chờ cán bộ quyết định."
        }
        AsideReason::Revoked => "Máy này đã bị thu hồi. Chờ cán bộ quyết định.",
    }
}

/// Words of why a value does not fit.
pub(crate) fn value_fault(fault: ValueFault) -> String {
    match fault {
        ValueFault::UnknownField(_) | ValueFault::NoInput => NO_INPUT.to_owned(),
        ValueFault::WrongKind => WRONG_KIND.to_owned(),
        ValueFault::TooLarge { max } => format!("Số lớn quá, nhiều nhất là {max}."),
        ValueFault::NotInList(_) => NOT_IN_LIST.to_owned(),
        ValueFault::TooMany { max } => format!("Nhiều nhất là {max} mục."),
        ValueFault::NotAscending => WRONG_KIND.to_owned(),
        ValueFault::TooLong { chars_max } => format!("Dài quá, nhiều nhất là {chars_max} chữ."),
        ValueFault::Text(_) => "Có ký tự không hiện được. Gõ lại.".to_owned(),
        ValueFault::NotACode => "Chỉ dùng chữ không dấu và số.".to_owned(),
        ValueFault::DayRange | ValueFault::OffsetRange => NO_SUCH_DAY.to_owned(),
        ValueFault::Backward => "Giờ kết thúc trước giờ bắt đầu.".to_owned(),
        ValueFault::Latitude | ValueFault::Longitude => "Vị trí không đúng.".to_owned(),
        ValueFault::Accuracy => "Vị trí chưa đủ chính xác.".to_owned(),
    }
}

/// Words of why a search is not answered.
pub(crate) fn search_refusal(refusal: SearchRefusal) -> &'static str {
    match refusal {
        SearchRefusal::TooFewWords => "Tìm bằng hai từ trở lên.",
        SearchRefusal::TooLong => "Câu tìm dài quá.",
        SearchRefusal::DigitRun => "Không tìm theo số dài như số điện thoại, số giấy tờ.",
        SearchRefusal::Plate => "Không tìm theo biển số xe.",
        SearchRefusal::PersonName => "Không tìm theo tên người.",
    }
}
